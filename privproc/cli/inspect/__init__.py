"""What received bytes are: a description per format, over a walk that notes what stands where, and their choice."""

__all__: tuple[str, ...] = ()
