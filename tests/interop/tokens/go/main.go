// circl's blind RSA and OPRF behind the driver protocol of tests/interop/driver.py.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cloudflare/circl/blindsign/blindrsa"
	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"
)

// args panics with what is wrong: the caller recovers.
type args []string

func check[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (a *args) word() string {
	if len(*a) == 0 {
		panic(errors.New("argument missing"))
	}
	first := (*a)[0]
	*a = (*a)[1:]
	return first
}

func (a *args) int() int { return check(strconv.Atoi(a.word())) }

func (a *args) bytes() []byte { return check(hex.DecodeString(strings.Trim(a.word(), "-"))) }

func (a *args) rest() (all [][]byte) {
	for len(*a) > 0 {
		all = append(all, a.bytes())
	}
	return all
}

type reply []string

func (r *reply) bytes(all ...[]byte) {
	for _, data := range all {
		text := hex.EncodeToString(data)
		if text == "" {
			text = "-"
		}
		*r = append(*r, text)
	}
}

// Blind RSA.

var variants = map[string]blindrsa.Variant{
	"SHA384_PSS_RANDOMIZED":        blindrsa.SHA384PSSRandomized,
	"SHA384_PSSZERO_RANDOMIZED":    blindrsa.SHA384PSSZeroRandomized,
	"SHA384_PSS_DETERMINISTIC":     blindrsa.SHA384PSSDeterministic,
	"SHA384_PSSZERO_DETERMINISTIC": blindrsa.SHA384PSSZeroDeterministic,
}

var (
	rsaKey    *rsa.PrivateKey
	rsaClient blindrsa.Client
	rsaState  blindrsa.State
)

func (a *args) variant() blindrsa.Variant {
	found, known := variants[a.word()]
	if !known {
		panic(errors.New("no such variant"))
	}
	return found
}

func (a *args) rsaPublic() *rsa.PublicKey {
	return check(x509.ParsePKIXPublicKey(a.bytes())).(*rsa.PublicKey)
}

func rsaKeyOf(a *args, r *reply) {
	a.variant()
	rsaKey = check(rsa.GenerateKey(rand.Reader, a.int()))
	r.bytes(check(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)))
}

func rsaBlind(a *args, r *reply) {
	rsaClient = check(blindrsa.NewClient(a.variant(), a.rsaPublic()))
	prepared := check(rsaClient.Prepare(rand.Reader, a.bytes()))
	blinded, state, err := rsaClient.Blind(rand.Reader, prepared)
	must(err)
	rsaState = state
	r.bytes(prepared, blinded)
}

func rsaFinish(a *args, r *reply) { r.bytes(check(rsaClient.Finalize(rsaState, a.bytes()))) }

func rsaSign(a *args, r *reply) {
	a.variant()
	r.bytes(check(blindrsa.NewSigner(rsaKey).BlindSign(a.bytes())))
}

func rsaVerify(a *args, r *reply) {
	verifier := check(blindrsa.NewVerifier(a.variant(), a.rsaPublic()))
	prepared := a.bytes()
	must(verifier.Verify(prepared, a.bytes()))
}

// OPRF. One shape for the three modes.

type client struct {
	blind  func([][]byte) (*oprf.FinalizeData, *oprf.EvaluationRequest, error)
	finish func(*oprf.FinalizeData, *oprf.Evaluation) ([][]byte, error)
}

type server struct {
	evaluate func(*oprf.EvaluationRequest, []byte) (*oprf.Evaluation, error)
	output   func(input, info []byte) ([]byte, error)
}

var (
	suite    oprf.Suite
	serving  server
	asking   client
	finalize *oprf.FinalizeData
)

func oprfKey(a *args, r *reply) {
	mode := a.int()
	suite = check(oprf.GetSuite(a.word()))
	key := check(oprf.GenerateKey(suite, rand.Reader))
	serving = serve(mode, key)
	r.bytes(check(key.Public().MarshalBinary()))
}

func serve(mode int, key *oprf.PrivateKey) server {
	switch mode {
	case 0:
		made := oprf.NewServer(suite, key)
		return server{
			func(request *oprf.EvaluationRequest, _ []byte) (*oprf.Evaluation, error) {
				return made.Evaluate(request)
			},
			func(input, _ []byte) ([]byte, error) { return made.FullEvaluate(input) },
		}
	case 1:
		made := oprf.NewVerifiableServer(suite, key)
		return server{
			func(request *oprf.EvaluationRequest, _ []byte) (*oprf.Evaluation, error) {
				return made.Evaluate(request)
			},
			func(input, _ []byte) ([]byte, error) { return made.FullEvaluate(input) },
		}
	}
	made := oprf.NewPartialObliviousServer(suite, key)
	return server{made.Evaluate, made.FullEvaluate}
}

func oprfBlind(a *args, r *reply) {
	mode := a.int()
	suite = check(oprf.GetSuite(a.word()))
	var key *oprf.PublicKey
	if encoded := a.bytes(); mode != 0 {
		key = new(oprf.PublicKey)
		must(key.UnmarshalBinary(suite, encoded))
	}
	info := a.bytes()
	switch mode {
	case 0:
		made := oprf.NewClient(suite)
		asking = client{made.Blind, made.Finalize}
	case 1:
		made := oprf.NewVerifiableClient(suite, key)
		asking = client{made.Blind, made.Finalize}
	default:
		made := oprf.NewPartialObliviousClient(suite, key)
		asking = client{made.Blind, func(data *oprf.FinalizeData, answer *oprf.Evaluation) ([][]byte, error) {
			return made.Finalize(data, answer, info)
		}}
	}
	data, request, err := asking.blind(a.rest())
	must(err)
	finalize = data
	r.bytes(encoded(request.Elements)...)
}

func encoded(elements []group.Element) (all [][]byte) {
	for _, element := range elements {
		all = append(all, check(element.MarshalBinaryCompress()))
	}
	return all
}

func decoded(all [][]byte) (elements []group.Element) {
	for _, data := range all {
		element := suite.Group().NewElement()
		must(element.UnmarshalBinary(data))
		elements = append(elements, element)
	}
	return elements
}

func oprfFinish(a *args, r *reply) {
	answer := &oprf.Evaluation{}
	if proof := a.bytes(); len(proof) > 0 {
		answer.Proof = new(dleq.Proof)
		must(answer.Proof.UnmarshalBinary(suite.Group(), proof))
	}
	answer.Elements = decoded(a.rest())
	r.bytes(check(asking.finish(finalize, answer))...)
}

func oprfEvaluate(a *args, r *reply) {
	info := a.bytes()
	answer := check(serving.evaluate(&oprf.EvaluationRequest{Elements: decoded(a.rest())}, info))
	var proof []byte
	if answer.Proof != nil {
		proof = check(answer.Proof.MarshalBinary())
	}
	r.bytes(proof)
	r.bytes(encoded(answer.Elements)...)
}

func oprfOutput(a *args, r *reply) {
	info := a.bytes()
	r.bytes(check(serving.output(a.bytes(), info)))
}

// used gives the processor time of this process so far, in nanoseconds.
func used() int64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// How long an issuance in the mode VOPRF takes: nanoseconds of the issuer and of the client.
func oprfTime(a *args, r *reply) {
	suite = check(oprf.GetSuite(a.word()))
	count, rounds := a.int(), a.int()
	key := check(oprf.GenerateKey(suite, rand.Reader))
	issuer, holder := oprf.NewVerifiableServer(suite, key), oprf.NewVerifiableClient(suite, key.Public())
	inputs := make([][]byte, count)
	for i := range inputs {
		inputs[i] = make([]byte, 98)
		check(rand.Read(inputs[i]))
	}
	least := [2]int64{math.MaxInt64, math.MaxInt64}
	for range rounds {
		began := used()
		data, request, err := holder.Blind(inputs)
		must(err)
		wire := encoded(request.Elements)
		blinded := used() - began
		began = used()
		answer := check(issuer.Evaluate(&oprf.EvaluationRequest{Elements: decoded(wire)}))
		wire = encoded(answer.Elements)
		least[0] = min(least[0], used()-began)
		began = used()
		check(holder.Finalize(data, &oprf.Evaluation{Elements: decoded(wire), Proof: answer.Proof}))
		least[1] = min(least[1], used()-began+blinded)
	}
	*r = append(*r, strconv.FormatInt(least[0], 10), strconv.FormatInt(least[1], 10))
}

var operations = map[string]func(*args, *reply){
	"rsa.key": rsaKeyOf, "rsa.blind": rsaBlind, "rsa.finish": rsaFinish, "rsa.sign": rsaSign, "rsa.verify": rsaVerify,
	"oprf.key": oprfKey, "oprf.blind": oprfBlind, "oprf.finish": oprfFinish, "oprf.evaluate": oprfEvaluate,
	"oprf.output": oprfOutput, "oprf.time": oprfTime,
}

func answer(line string) (text string) {
	defer func() {
		if failure := recover(); failure != nil {
			kind := "panic"
			if _, runtime := failure.(interface{ RuntimeError() }); !runtime {
				if _, plain := failure.(error); plain {
					kind = "error"
				}
			}
			text = strings.ReplaceAll(fmt.Sprintf("%s %v", kind, failure), "\n", " ")
		}
	}()
	words := args(strings.Fields(line))
	operation := operations[words.word()]
	words.word() // the library
	result := reply{"ok"}
	operation(&words, &result)
	return strings.Join(result, " ")
}

func main() {
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Println(answer(line))
	}
}
