// The Go peers behind the driver protocol of tests/interop/driver.py.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/kem"
	"github.com/openpcc/bhttp"
	"github.com/openpcc/ohttp"
	"github.com/openpcc/twoway"
)

const keyID = 7

var (
	private   kem.PrivateKey
	config    ohttp.KeyConfig
	sealer    *twoway.RequestSealer
	opener    *twoway.RequestOpener
	posted    *ohttp.ResponseDecapsulator
	responder *ohttp.ResponseEncapsulator
	chunking  bool
)

// args panics with what is wrong: the caller recovers.
type args []string

func check[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
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

func (a *args) suite() hpke.Suite {
	return hpke.NewSuite(hpke.KEM(a.int()), hpke.KDF(a.int()), hpke.AEAD(a.int()))
}

func (a *args) fields() http.Header {
	header := http.Header{}
	for range a.int() {
		name := string(a.bytes())
		header.Add(name, string(a.bytes()))
	}
	return header
}

type pieces [][]byte

func (a *args) pieces() (all pieces) {
	for range a.int() {
		all = append(all, a.bytes())
	}
	return all
}

// Read gives a piece at a time, so that each becomes a chunk, or several.
func (p *pieces) Read(into []byte) (int, error) {
	for len(*p) > 0 && len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(into, (*p)[0])
	(*p)[0] = (*p)[0][n:]
	return n, nil
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

func (r *reply) int(value int) { *r = append(*r, strconv.Itoa(value)) }

func (r *reply) fields(header http.Header) {
	count := 0
	for _, values := range header {
		count += len(values)
	}
	r.int(count)
	for name, values := range header {
		for _, value := range values {
			r.bytes([]byte(strings.ToLower(name)), []byte(value))
		}
	}
}

func hpkeKey(a *args, r *reply) {
	public, key := check2(hpke.KEM(a.int()).Scheme().GenerateKeyPair())
	private = key
	r.bytes(check(public.MarshalBinary()))
}

func check2[A, B any](first A, second B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return first, second
}

func hpkeSeal(a *args, r *reply) {
	suite := a.suite()
	id, _, _ := suite.Params()
	public := check(id.Scheme().UnmarshalBinaryPublicKey(a.bytes()))
	sender := check(suite.NewSender(public, a.bytes()))
	psk, pskID := a.bytes(), a.bytes()
	var (
		enc []byte
		ctx hpke.Sealer
	)
	if len(psk) > 0 {
		enc, ctx = check2(sender.SetupPSK(rand.Reader, psk, pskID))
	} else {
		enc, ctx = check2(sender.Setup(rand.Reader))
	}
	r.bytes(enc)
	exporter := a.bytes()
	r.bytes(ctx.Export(exporter, uint(a.int())))
	for range a.int() {
		aad := a.bytes()
		r.bytes(check(ctx.Seal(a.bytes(), aad)))
	}
}

func hpkeOpen(a *args, r *reply) {
	suite := a.suite()
	enc := a.bytes()
	receiver := check(suite.NewReceiver(private, a.bytes()))
	psk, pskID := a.bytes(), a.bytes()
	var ctx hpke.Opener
	if len(psk) > 0 {
		ctx = check(receiver.SetupPSK(enc, psk, pskID))
	} else {
		ctx = check(receiver.Setup(enc))
	}
	exporter := a.bytes()
	r.bytes(ctx.Export(exporter, uint(a.int())))
	for range a.int() {
		aad := a.bytes()
		r.bytes(check(ctx.Open(a.bytes(), aad)))
	}
}

func mode(a *args) (string, []twoway.Option) {
	if chunking = a.word() == "chunked"; chunking {
		return "message/bhttp chunked ", []twoway.Option{twoway.EnableChunking(), twoway.WithMaxChunkPlaintextLen(16384)}
	}
	return "message/bhttp ", nil
}

func ohttpKey(a *args, r *reply) {
	config = ohttp.KeyConfig{KeyID: keyID, KemID: hpke.KEM(a.int())}
	config.PublicKey, private = check2(config.KemID.Scheme().GenerateKeyPair())
	for range a.int() {
		algorithm := ohttp.SymmetricAlgorithm{KDFID: hpke.KDF(a.int()), AEADID: hpke.AEAD(a.int())}
		config.SymmetricAlgorithms = append(config.SymmetricAlgorithms, algorithm)
	}
	r.bytes(check(ohttp.KeyConfigs{config}.MarshalBinary()))
}

func first(list []byte) ohttp.KeyConfig {
	var configs ohttp.KeyConfigs
	if err := configs.UnmarshalBinary(list); err != nil {
		panic(err)
	}
	return configs[0]
}

func ohttpSeal(a *args, r *reply) {
	label, options := mode(a)
	chosen := first(a.bytes())
	suite := hpke.NewSuite(chosen.KemID, hpke.KDF(a.int()), hpke.AEAD(a.int()))
	sender := check(twoway.NewRequestSender(suite, chosen.KeyID, chosen.PublicKey, nil))
	message := a.pieces()
	sealer = check(sender.NewRequestSealer(&message, []byte(label+"request"), options...))
	r.bytes(check(io.ReadAll(sealer)))
}

func ohttpFinish(a *args, r *reply) {
	label, options := mode(&args{modeWord()})
	response := check(sealer.NewResponseOpener(bytes.NewReader(a.bytes()), []byte(label+"response"), options...))
	r.bytes(check(io.ReadAll(response)))
}

func modeWord() string {
	if chunking {
		return "chunked"
	}
	return "single"
}

func ohttpOpen(a *args, r *reply) {
	label, options := mode(a)
	wire := a.bytes()
	header := check(twoway.ParseRequestHeaderFrom(wire))
	suite := hpke.NewSuite(header.KemID, header.KDFID, header.AEADID)
	receiver := check(twoway.NewRequestReceiver(suite, keyID, private, nil))
	opener = check(receiver.NewRequestOpener(bytes.NewReader(wire), []byte(label+"request"), options...))
	r.bytes(check(io.ReadAll(opener)))
}

func ohttpAnswer(a *args, r *reply) {
	label, options := mode(&args{modeWord()})
	message := a.pieces()
	response := check(opener.NewResponseSealer(&message, []byte(label+"response"), options...))
	r.bytes(check(io.ReadAll(response)))
}

// The whole stack of openpcc: net/http messages in and out, with its own choice of framing.

type anyTarget struct{}

func (anyTarget) ValidRequest(*http.Request) error { return nil }

func httpPost(a *args, r *reply) {
	chunking = a.word() == "chunked"
	transport := check(ohttp.NewTransport(first(a.bytes()), "https://relay.example/"))
	a.word()
	method, scheme, authority, path := string(a.bytes()), string(a.bytes()), string(a.bytes()), string(a.bytes())
	header, content := a.fields(), a.bytes()
	request := check(http.NewRequest(method, scheme+"://"+authority+path, bytes.NewReader(content)))
	request.Header = header
	if chunking {
		request.ContentLength, request.TransferEncoding = -1, []string{"chunked"}
	}
	post, decapsulator := check2(transport.Encapsulate(request))
	posted = decapsulator
	r.bytes([]byte(post.Header.Get("Content-Type")), check(io.ReadAll(post.Body)))
}

func httpFinish(a *args, r *reply) {
	kind := string(a.bytes())
	answered := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {kind}}, Body: body(a.bytes())}
	response := check(posted.Decapsulate(context.Background(), answered))
	content := check(io.ReadAll(response.Body))
	*r = append(*r, "response", "0")
	r.int(response.StatusCode)
	r.fields(response.Header)
	r.bytes(content)
	r.fields(response.Trailer)
}

func body(data []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(data)) }

func httpOpen(a *args, r *reply) {
	pair := ohttp.KeyPair{SecretKey: private, KeyConfig: config}
	gateway := check(ohttp.NewGateway(pair, ohttp.WithRequestValidator(anyTarget{})))
	request := check(http.NewRequest("POST", "https://gateway.example/", nil))
	request.Header.Set("Content-Type", string(a.bytes()))
	request.Body = body(a.bytes())
	inner, encapsulator := check2(gateway.Decapsulate(request))
	responder = encapsulator
	content := check(io.ReadAll(inner.Body))
	*r = append(*r, "request")
	r.bytes([]byte(inner.Method), []byte("https"), []byte(inner.Host), []byte(inner.RequestURI))
	r.fields(inner.Header)
	r.bytes(content)
	r.fields(inner.Trailer)
}

func httpAnswer(a *args, r *reply) {
	chunked := a.word() == "chunked"
	a.word()
	a.int()
	response := &http.Response{StatusCode: a.int(), ProtoMajor: 1, ProtoMinor: 1, Header: a.fields()}
	content := a.bytes()
	response.Body, response.ContentLength = body(content), int64(len(content))
	if chunked {
		response.ContentLength, response.TransferEncoding = -1, []string{"chunked"}
	}
	sealed := check(responder.Encapsulate(response))
	r.bytes([]byte(sealed.Header.Get("Content-Type")), check(io.ReadAll(sealed.Body)))
}

// Binary HTTP itself: the mapping to and from net/http is passed by.

func bhttpEncode(a *args, r *reply) {
	known, padding := a.int() == 0, uint64(a.int())
	var message io.Reader
	if a.word() == "request" {
		made := &bhttp.Request{KnownLength: known}
		made.ControlData = bhttp.RequestControlData{Method: a.bytes(), Scheme: a.bytes(), Authority: a.bytes(), Path: a.bytes()}
		made.Header = a.fields()
		content := a.bytes()
		made.ContentLength, made.Body, made.Trailer = int64(len(content)), bytes.NewReader(content), a.fields()
		encoder := bhttp.RequestEncoder{
			MapFunc:         func(*http.Request) (*bhttp.Request, error) { return made, nil },
			PadToMultipleOf: padding,
		}
		message = check(encoder.EncodeRequest(nil))
	} else {
		made := &bhttp.Response{KnownLength: known}
		for range a.int() {
			status := a.int()
			made.Informational = append(made.Informational, bhttp.InformationalResponse{StatusCode: status, Header: a.fields()})
		}
		made.FinalStatusCode, made.FinalHeader = a.int(), a.fields()
		content := a.bytes()
		made.ContentLength, made.Body, made.Trailer = int64(len(content)), bytes.NewReader(content), a.fields()
		encoder := bhttp.ResponseEncoder{
			MapFunc:         func(*http.Response) (*bhttp.Response, error) { return made, nil },
			PadToMultipleOf: padding,
		}
		message = check(encoder.EncodeResponse(nil))
	}
	r.bytes(check(io.ReadAll(message)))
}

func bhttpDecode(a *args, r *reply) {
	data := a.bytes()
	if data[0]%2 == 0 {
		var got *bhttp.Request
		decoder := bhttp.RequestDecoder{MapFunc: func(_ context.Context, made *bhttp.Request) (*http.Request, error) {
			got = made
			return nil, nil
		}}
		check(decoder.DecodeRequest(context.Background(), bytes.NewReader(data)))
		content := check(io.ReadAll(got.Body))
		*r = append(*r, "request")
		r.bytes(got.ControlData.Method, got.ControlData.Scheme, got.ControlData.Authority, got.ControlData.Path)
		r.fields(got.Header)
		r.bytes(content)
		r.fields(got.Trailer)
		return
	}
	var got *bhttp.Response
	decoder := bhttp.ResponseDecoder{MapFunc: func(_ context.Context, made *bhttp.Response) (*http.Response, error) {
		got = made
		return nil, nil
	}}
	check(decoder.DecodeResponse(context.Background(), bytes.NewReader(data)))
	content := check(io.ReadAll(got.Body))
	*r = append(*r, "response")
	r.int(len(got.Informational))
	for _, interim := range got.Informational {
		r.int(interim.StatusCode)
		r.fields(interim.Header)
	}
	r.int(got.FinalStatusCode)
	r.fields(got.FinalHeader)
	r.bytes(content)
	r.fields(got.Trailer)
}

// Nanoseconds of one call: the least over batches, for as many milliseconds.
func least(milliseconds int, once func()) int {
	const batch = 5
	end, best := time.Now().Add(time.Duration(milliseconds)*time.Millisecond), time.Duration(0)
	for best == 0 || time.Now().Before(end) {
		began := time.Now()
		for range batch {
			once()
		}
		if spent := time.Since(began); best == 0 || spent < best {
			best = spent
		}
	}
	return int(best.Nanoseconds()) / batch
}

func expect(got, want []byte) {
	if !bytes.Equal(got, want) {
		panic(errors.New("another message"))
	}
}

func hpkeBench(a *args, r *reply) {
	suite := a.suite()
	id, _, _ := suite.Params()
	public, key := check2(id.Scheme().GenerateKeyPair())
	message := make([]byte, a.int())
	sender, receiver := check(suite.NewSender(public, nil)), check(suite.NewReceiver(key, nil))
	r.int(least(a.int(), func() {
		enc, sealing := check2(sender.Setup(rand.Reader))
		sealed := check(sealing.Seal(message, nil))
		expect(check(check(receiver.Setup(enc)).Open(sealed, nil)), message)
	}))
}

func ohttpBench(a *args, r *reply) {
	suite := a.suite()
	id, _, _ := suite.Params()
	public, key := check2(id.Scheme().GenerateKeyPair())
	message := make([]byte, a.int())
	sender := check(twoway.NewRequestSender(suite, keyID, public, nil))
	receiver := check(twoway.NewRequestReceiver(suite, keyID, key, nil))
	up, down := []byte("message/bhttp request"), []byte("message/bhttp response")
	r.int(least(a.int(), func() {
		sealing := check(sender.NewRequestSealer(bytes.NewReader(message), up))
		opening := check(receiver.NewRequestOpener(bytes.NewReader(check(io.ReadAll(sealing))), up))
		opened := check(io.ReadAll(opening))
		answer := check(io.ReadAll(check(opening.NewResponseSealer(bytes.NewReader(opened), down))))
		expect(check(io.ReadAll(check(sealing.NewResponseOpener(bytes.NewReader(answer), down)))), message)
	}))
}

var operations = map[string]func(*args, *reply){
	"hpke.key": hpkeKey, "hpke.seal": hpkeSeal, "hpke.open": hpkeOpen, "hpke.bench": hpkeBench,
	"ohttp.key": ohttpKey, "ohttp.seal": ohttpSeal, "ohttp.finish": ohttpFinish,
	"ohttp.open": ohttpOpen, "ohttp.answer": ohttpAnswer, "ohttp.bench": ohttpBench,
	"http.post": httpPost, "http.finish": httpFinish, "http.open": httpOpen, "http.answer": httpAnswer,
	"bhttp.encode": bhttpEncode, "bhttp.decode": bhttpDecode,
	"tls.serve": tlsServe, "tls.finish": tlsFinish, "ea.authenticate": eaAuthenticate, "ea.check": eaCheck,
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
