// The Go verifiers of evidence behind the driver protocol of tests/interop/driver.py.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
	tdxverify "github.com/google/go-tdx-guest/verify"
)

type args []string

func check[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func must(err error) { check(0, err) }

func (a *args) word() string {
	if len(*a) == 0 {
		panic(errors.New("argument missing"))
	}
	first := (*a)[0]
	*a = (*a)[1:]
	return first
}

func (a *args) uint() uint64 { return check(strconv.ParseUint(a.word(), 10, 64)) }

func (a *args) bytes() []byte { return check(hex.DecodeString(strings.Trim(a.word(), "-"))) }

// pages answers requests with what it was given, so that nothing is fetched.
type pages map[string][]byte

func (p pages) Get(address string) ([]byte, error) {
	for part, body := range p {
		if strings.Contains(address, part) {
			return body, nil
		}
	}
	return nil, fmt.Errorf("no page for %s", address)
}

func attestation(a *args) (*spb.Attestation, abi.ReportSigner) {
	kind, vek, report := a.word(), a.bytes(), a.bytes()
	chain, signer := &spb.CertificateChain{VcekCert: vek}, abi.VcekReportSigner
	if kind == "vlek" {
		chain, signer = &spb.CertificateChain{VlekCert: vek}, abi.VlekReportSigner
	}
	return &spb.Attestation{Report: check(abi.ReportToProto(report)), CertificateChain: chain}, signer
}

// snpVerify: LINE ASK ARK AT CRL KIND VEK REPORT
func snpVerify(a *args) {
	line, middle, root := a.word(), check(x509.ParseCertificate(a.bytes())), check(x509.ParseCertificate(a.bytes()))
	now, crl := time.Unix(int64(a.uint()), 0), a.bytes()
	found, _ := attestation(a)
	roots := trust.AMDRootCertsProduct(line)
	roots.ProductCerts = &trust.ProductCerts{Ask: middle, Asvk: middle, Ark: root}
	options := &verify.Options{
		DisableCertFetching: true,
		CheckRevocations:    len(crl) > 0,
		Getter:              pages{"/crl": crl},
		Now:                 now,
		TrustedRoots:        map[string][]*trust.AMDRootCerts{line: {roots}},
	}
	must(verify.SnpAttestation(found, options))
}

// snpValidate: GUEST-POLICY PLATFORM-INFO VERSION BUILD BL TEE SNP UCODE MITIGATIONS REPORT-DATA HOST-DATA MEASUREMENT
// CHIP-ID ("-": not checked) KIND VEK REPORT
func snpValidate(a *args) {
	policy := check(abi.ParseSnpPolicy(a.uint()))
	platform := check(abi.ParseSnpPlatformInfo(a.uint()))
	options := &validate.Options{GuestPolicy: policy, PlatformInfo: &platform, VMPL: new(int)}
	options.MinimumVersion, options.MinimumBuild = uint16(a.uint()), uint8(a.uint())
	options.MinimumTCB = kds.TCBParts{BlSpl: uint8(a.uint()), TeeSpl: uint8(a.uint()), SnpSpl: uint8(a.uint()), UcodeSpl: uint8(a.uint())}
	options.MinimumLaunchTCB = options.MinimumTCB
	options.MinimumLaunchMitigationVector = a.uint()
	options.MinimumCurrentMitigationVector = options.MinimumLaunchMitigationVector
	options.ReportData, options.HostData, options.Measurement = a.bytes(), a.bytes(), a.bytes()
	options.FamilyID, options.ImageID = make([]byte, 16), make([]byte, 16)
	if chip := a.bytes(); len(chip) > 0 {
		options.ChipID = chip
	}
	found, _ := attestation(a)
	must(validate.SnpAttestation(found, options))
}

type service struct {
	bodies, chains map[string][]byte
}

func (s service) Get(address string) (map[string][]string, []byte, error) {
	for part, body := range s.bodies {
		if strings.Contains(address, part) {
			chain := []string{url.QueryEscape(string(s.chains[part]))}
			names := []string{"Tcb-Info-Issuer-Chain", "Sgx-Enclave-Identity-Issuer-Chain", "Sgx-Pck-Crl-Issuer-Chain"}
			header := map[string][]string{}
			for _, name := range names {
				header[name] = chain
			}
			return header, body, nil
		}
	}
	return nil, nil, fmt.Errorf("no page for %s", address)
}

// tdxVerify: ROOT AT TCB-INFO QE-IDENTITY SIGNING-CHAIN ROOT-CRL PCK-CRL PCK-CHAIN QUOTE
func tdxVerify(a *args) {
	roots := x509.NewCertPool()
	roots.AddCert(check(x509.ParseCertificate(a.bytes())))
	now := time.Unix(int64(a.uint()), 0)
	info, identity, signing, rootCrl, pckCrl, pckChain := a.bytes(), a.bytes(), a.bytes(), a.bytes(), a.bytes(), a.bytes()
	pcs := service{
		bodies: map[string][]byte{"/tcb?": info, "/qe/identity": identity, "/pckcrl": pckCrl, "IntelSGXRootCA": rootCrl},
		chains: map[string][]byte{"/tcb?": signing, "/qe/identity": signing, "/pckcrl": pckChain},
	}
	options := &tdxverify.Options{CheckRevocations: true, GetCollateral: true, Getter: pcs, Now: now, TrustedRoots: roots}
	must(tdxverify.RawTdxQuote(a.bytes(), options))
}

var operations = map[string]func(*args){
	"snp.verify github.com/google/go-sev-guest":   snpVerify,
	"snp.validate github.com/google/go-sev-guest": snpValidate,
	"tdx.verify github.com/google/go-tdx-guest":   tdxVerify,
}

// answer gives an error that a library returns as "error", and a failure of the library itself as "panic".
func answer(line string) (text string) {
	defer func() {
		if why := recover(); why != nil {
			kind := "panic"
			if _, isRuntime := why.(interface{ RuntimeError() }); !isRuntime {
				if _, isError := why.(error); isError {
					kind = "error"
				}
			}
			text = kind + " " + strings.ReplaceAll(fmt.Sprint(why), "\n", " ")
		}
	}()
	words := strings.Fields(line)
	a := args(words[2:])
	operations[words[0]+" "+words[1]](&a)
	return "ok"
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		fmt.Println(answer(lines.Text()))
	}
}
