"""Whether what parties see tells devices or contents apart: a game that is played as a program.

``dissect`` takes messages apart into named leaves, ``views`` says who has them; ``device`` asks, in each way there is;
``game`` plays two runs that differ in one thing and compares what a coalition saw; ``leaks`` plants leaks that the game
must find; ``linter`` holds each leaf of a device's messages to the list of what it may be.
"""
