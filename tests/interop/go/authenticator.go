// Exported authenticators (RFC 9261) over crypto/tls: TLS, exporter, keys and X.509 are Go's; the messages, which no
// package that can be had makes, are written here from the RFC.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"time"
)

// wire is a connection whose other end is the driver: idle says that everything given was read.
type wire struct {
	in   chan []byte
	idle chan struct{}
	rest []byte
	out  bytes.Buffer
}

func (w *wire) Read(into []byte) (int, error) {
	if len(w.rest) == 0 {
		w.idle <- struct{}{}
		w.rest = <-w.in
	}
	n := copy(into, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wire) Write(data []byte) (int, error)   { return w.out.Write(data) }
func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

var session struct {
	wire *wire
	conn *tls.Conn
	done chan error
	cert tls.Certificate
}

func identity(kind string) tls.Certificate {
	var key crypto.Signer
	if kind == "ed25519" {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		check(private, err)
		key = private
	} else {
		key = check(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour)}
	der := check(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func tlsServe(a *args, r *reply) {
	session.cert = identity(a.word())
	session.wire = &wire{in: make(chan []byte), idle: make(chan struct{})}
	session.done = make(chan error, 1)
	session.conn = tls.Server(session.wire, &tls.Config{
		Certificates: []tls.Certificate{session.cert}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
	})
	conn, done := session.conn, session.done
	go func() { done <- conn.Handshake() }()
	<-session.wire.idle
	session.wire.in <- a.bytes()
	handshake(false)
	r.bytes(session.wire.out.Bytes(), session.cert.Certificate[0])
}

func tlsFinish(a *args, _ *reply) {
	session.wire.in <- a.bytes()
	handshake(true)
}

func handshake(complete bool) {
	select {
	case err := <-session.done:
		if err != nil || !complete {
			panic(errors.Join(err, errors.New("handshake")))
		}
	case <-session.wire.idle:
		if complete {
			panic(errors.New("handshake incomplete"))
		}
	}
}

func vector(width int, data []byte) []byte {
	size := []byte{byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}
	return append(size[3-width:], data...)
}

func handshakeMessage(kind byte, body []byte) []byte { return append([]byte{kind}, vector(3, body)...) }

func exported(side, end string) []byte {
	state := session.conn.ConnectionState()
	return check(state.ExportKeyingMaterial("EXPORTER-"+side+" authenticator "+end, nil, sha512.Size384))
}

func transcript(side string, messages ...[]byte) []byte {
	digest := sha512.Sum384(append(exported(side, "handshake context"), bytes.Join(messages, nil)...))
	return digest[:]
}

func finished(side string, messages ...[]byte) []byte {
	mac := hmac.New(sha512.New384, exported(side, "finished key"))
	mac.Write(transcript(side, messages...))
	return handshakeMessage(20, mac.Sum(nil))
}

func signed(side string, messages ...[]byte) []byte {
	return bytes.Join([][]byte{bytes.Repeat([]byte{32}, 64), []byte("Exported Authenticator\x00"), transcript(side, messages...)}, nil)
}

func certificateMessage(context []byte, entries []byte) []byte {
	return handshakeMessage(11, append(vector(1, context), vector(3, entries)...))
}

// The server answers a request; without evidence by a refusal.
func eaAuthenticate(a *args, r *reply) {
	request, evidence := a.bytes(), a.bytes()
	context := request[5 : 5+int(request[4])]
	if len(evidence) == 0 {
		r.bytes(finished("server", request, certificateMessage(context, nil)))
		return
	}
	extension := append([]byte{0xff, 0}, vector(2, vector(2, evidence))...)
	certificate := certificateMessage(context, append(vector(3, session.cert.Certificate[0]), vector(2, extension)...))
	data, scheme := signed("server", request, certificate), []byte{8, 7}
	var hash crypto.Hash
	if _, ecdsaKey := session.cert.PrivateKey.(*ecdsa.PrivateKey); ecdsaKey {
		digest := sha256.Sum256(data)
		data, scheme, hash = digest[:], []byte{4, 3}, crypto.SHA256
	}
	signature := check(session.cert.PrivateKey.(crypto.Signer).Sign(rand.Reader, data, hash))
	verify := handshakeMessage(15, append(scheme, vector(2, signature)...))
	r.bytes(bytes.Join([][]byte{certificate, verify, finished("server", request, certificate, verify)}, nil))
}

// A client's authenticator: gives certificate and evidence; of a refusal, nothing.
func eaCheck(a *args, r *reply) {
	request, authenticator := a.bytes(), a.bytes()
	context := request[5 : 5+int(request[4])]
	if authenticator[0] == 20 {
		if !hmac.Equal(authenticator, finished("client", request, certificateMessage(context, nil))) {
			panic(errors.New("finished"))
		}
		return
	}
	next := func() []byte {
		end := 4 + int(authenticator[1])<<16 + int(authenticator[2])<<8 + int(authenticator[3])
		message := authenticator[:end]
		authenticator = authenticator[end:]
		return message
	}
	certificate, verify, mac := next(), next(), next()
	if len(authenticator) > 0 || !hmac.Equal(mac, finished("client", request, certificate, verify)) {
		panic(errors.New("finished"))
	}
	entry := certificate[4+1+len(context)+3:]
	size := int(entry[1])<<8 + int(entry[2])
	leaf := check(x509.ParseCertificate(entry[3 : 3+size]))
	key, plain := leaf.PublicKey.(ed25519.PublicKey)
	if !plain || !ed25519.Verify(key, signed("client", request, certificate), verify[8:]) {
		panic(errors.New("signature"))
	}
	r.bytes(leaf.Raw, entry[3+size+2+4+2:])
}
