"""What a verifier of evidence must do, from attacks that were found in others, and the tests that show each here.

The tables name tests; a name that doesn't exist fails. ``module::test`` is a function, ``module::check-mutant`` one of
the module's mutants, ``name.json`` a file of ``vectors/faults``.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent.parent / "vectors" / "faults"

REQUIREMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "R1": (
        "Evidence binds this connection's exporter; the value is computed locally and compared in the signed field",
        (
            "test_attestation::binding-other",
            "test_tdx::binding-other",
            "test_nitro::binding-other",
            "test_ratls::test_exporter_equals_the_derivation_by_hand",
            "test_ratls::test_release_only_for_this_session",
        ),
    ),
    "R2": (
        "It binds the endpoint's key, and the service is identified: by namespace and role in the log",
        ("test_binder::test_every_field_counts", "test_attestation::role-other", "test_tdx::role-other"),
    ),
    "R3": (
        "Hardware can be listed, and a list is enforced or fails",
        ("test_attestation::signer-unlisted", "test_tdx::platforms-unlisted", "test_tdx::platforms-no-piid"),
    ),
    "R4": (
        "The expected binding is required and typed; a result exists after all checks only",
        (
            "test_attestation::test_binding_is_required",
            "test_tdx::test_binding_is_required",
            "test_nitro::test_binding_is_required",
            "test_attestation::test_witnesses_are_not_made_by_hand",
            "snp_nil_binding.json",
            "tdx_nil_binding.json",
        ),
    ),
    "R5": (
        "Every reference value is there and equal; absent never matches, an empty policy rejects",
        (
            "nitro_missing_pcr.json",
            "test_nitro::test_missing_image_registers",
            "test_tdx_format::test_lists_are_never_empty",
        ),
    ),
    "R6": (
        "The whole of Intel's procedure: QE identity, module identity, TCB; only UpToDate by default",
        (
            "tdx_qe_identity.json",
            "tdx_out_of_date.json",
            "test_tdx::qe-identity-qe_mrsigner_mismatch",
            "test_tdx::module-mrsigner",
            "test_tdx::platform-tcb-out-of-date",
            "test_tdx::module-tcb-launch",
            "test_tdx::qe-tcb-out-of-date",
        ),
    ),
    "R7": (
        "Lengths are exact, trailing bytes refused; an event log counts by its replay only",
        (
            "test_tdx_format::test_lengths",
            "test_tdx_format::test_replay",
            "test_tdx_format::test_other_logs",
            "snp_trailing_bytes.json",
            "tdx_trailing_bytes.json",
        ),
    ),
    "R8": (
        "The role is in the binding",
        ("test_binder::test_every_field_counts", "test_ratls::test_release_checks_role_and_time"),
    ),
    "R9": (
        "A fresh nonce of the verifier is in the exporter's context; it counts for one connection",
        ("test_binder::test_device_nonces_differ", "test_ratls::test_release_only_for_this_session"),
    ),
    "R10": (
        "No resumption, no early data, no use of tickets",
        (
            "ratls_client_resumption.json",
            "ratls_client_early_data.json",
            "test_ratls::test_client_that_offers_our_ticket_is_refused",
            "test_ratls::test_our_tickets_are_useless_even_without_the_check",
        ),
    ),
    "R11": (
        "No application data before the evidence is accepted",
        ("test_ratls::test_only_a_channel_can_send", "test_ratls::test_release_needs_bind_and_an_appraisal"),
    ),
    "R12": (
        "Fail closed: no fallback, and no mode that the peer chooses",
        (
            "test_binder::test_required_fields",
            "test_ratls::test_bind_refuses_wrong_use",
            "test_session_enclave::test_whom_an_enclave_does_not_serve",
        ),
    ),
    "R13": (
        "The certificate's TCB and hwID decide, and the report agrees with them",
        (
            "test_attestation::certified-tcb-raised",
            "test_attestation::chip-other",
            "snp_tcb_mismatch.json",
            "snp_chip.json",
        ),
    ),
    "R14": (
        "What is configured after the measurement is expected too; the measurement itself is the log's",
        (
            "test_attestation::host-data-given",
            "test_attestation::log-measurement",
            "test_tdx::owner-mrconfigid",
            "test_tdx::log-rtmr0",
            "snp_log.json",
        ),
    ),
    "R15": (
        "Debugging and migration are refused, the privilege level is the expected one, sibling threads are chosen",
        (
            "test_attestation::guest-policy-debug",
            "test_attestation::guest-policy-agent",
            "test_attestation::guest-policy-smt",
            "test_attestation::platform-smt",
            "test_attestation::platform-tio",
            "test_attestation::vmpl-one",
            "test_tdx::attributes-tdx_debug_enabled",
            "test_tdx::attributes-tdx_migratable_enabled",
            "test_tdx::service-bound",
            "nitro_debug.json",
        ),
    ),
    "R16": (
        "Memory was checked for aliases, and firmware is above a floor",
        (
            "test_attestation::platform-alias",
            "test_attestation::tcb-floor-committed-snp",
            "test_attestation::firmware-floor-committed",
            "test_attestation::mitigations-current",
            "snp_badram.json",
        ),
    ),
    "R17": (
        "Product lines and machines can be listed, ciphertext hiding demanded; decisions are short-lived",
        (
            "test_attestation::test_product_line_without_floor",
            "test_attestation::signer-unlisted",
            "test_attestation::platform-ciphertext_hiding",
            "test_attestation::guest-policy-ciphertext_hiding",
            "test_attestation::test_end_is_the_earliest",
            "test_attestation_revocation::test_revoked",
        ),
    ),
    "R18": (
        "Evidence of devices is bound into that of the processor (it isn't read here, and not taken in its place)",
        ("test_binder::test_devices_count_in_order",),
    ),
    "R19": (
        "The endpoint's key is in the evidence, and its signature over the handshake is checked",
        ("test_binder::test_every_field_counts", "test_ratls::test_certificate_verify_and_finished_are_checked"),
    ),
    "R20": (
        "Revocation lists, TCB info and QE identity are inside their windows at the caller's time",
        (
            "test_tdx_collateral::test_windows_are_half_open",
            "test_tdx::collateral-window-tcb_expired",
            "test_attestation_chain::test_window",
            "test_attestation_revocation::test_window",
            "test_nitro::age-old",
        ),
    ),
    "R21": (
        "The product is the signed CPUID's from version 3 on; version 2 takes a floor that says so; unknown is refused",
        (
            "test_attestation::product-zero",
            "test_attestation::product-unknown",
            "test_attestation::product-milan",
            "test_attestation::test_older_reports_need_a_floor_that_says_so",
            "snp_product.json",
        ),
    ),
    "R22": (
        "Tests are against implementations that nobody here wrote, and published evidence",
        (
            "test_tdx_real::test_oracle_on_real_quotes",
            "test_tdx_real::test_oracle_on_mutants",
            "test_attestation_idblock::test_oracle",
            "test_published_evidence::test_published",
            "interop.test_evidence_snp::test_mutants",
            "interop.test_evidence_tdx::test_mutants",
            "interop.test_evidence_nvidia::test_mutants",
        ),
    ),
    "R23": (
        "Sizes are bounded before anything is parsed",
        ("test_evidence_contract::test_sizes", "test_evidence_contract::test_depth", "test_tdx_format::test_sizes"),
    ),
}

SAMPLES: dict[str, tuple[str, ...]] = {
    "valid_tdx_v4": ("test_tdx::test_accepted",),
    "valid_tdx_v5": ("test_tdx::test_accepted",),
    **dict.fromkeys(
        ("valid_sgx_v3", "invalid_sgx_v4", "debug_sgx_v3", "invalid_quote_v5", "cert_type_3"),
        ("test_tdx_format::test_unsupported_quotes",),
    ),
    "truncated_quote": ("test_tdx::test_contract", "test_tdx_format::test_quote"),
    "short_tcb_chain": ("test_tdx::test_other_chain_texts",),
    "sgx_tcb_id_mismatch": ("test_tdx::test_no_level_is_reached", "test_tdx_collateral::test_another_kind"),
    "unknown_tcb_status": ("test_tdx_collateral::test_unknown_tcb_status",),
    "invalid_tcb_signature": ("test_tdx_collateral::test_refused",),
    "qe_identity_expired": ("test_tdx_collateral::test_refused",),
    "ca_used_as_end_entity_tcb": ("test_tdx_collateral::test_refused",),
    **{
        name: (f"test_tdx::{check}-{name}",)
        for check, names in {
            "collateral-window": ("tcb_expired", "tcb_issue_date_future"),
            "attributes": (
                "tdx_debug_enabled",
                "tdx_sept_ve_disabled",
                "tdx_pks_enabled",
                "tdx_kl_enabled",
                "tdx_reserved_bits_set-16",
            ),
            "platform-tcb": ("sgx_component_svn_mismatch", "tdx_component_svn_mismatch", "revoked_platform_tcb"),
            "family": ("fmspc_mismatch",),
            "attestation-key": ("qe_report_hash_mismatch",),
            "qe-signature": ("invalid_qe_report_signature",),
            "signature": ("invalid_quote_signature",),
            "qe-identity": (
                "qe_mrsigner_mismatch",
                "qe_isvprodid_mismatch",
                "qe_miscselect_mismatch",
                "qe_attributes_mismatch",
            ),
            "qe-debug": ("qe_debug_enabled",),
            "qe-tcb": ("revoked_qe_tcb",),
            "pck-profile": ("ca_used_as_end_entity_qe",),
        }.items()
        for name in names
    },
}
"""The generated samples of dcap-qvl, by their names there, those for SGX among them: what is no TDX is refused."""


def find(name: str) -> None:
    """Raise unless there is such a test."""
    if name.endswith(".json"):
        assert (FAULTS / name).is_file(), name
        return
    module, _, test = name.partition("::")
    found = importlib.import_module(f"tests.{module}")
    if test.startswith("test_"):
        assert callable(getattr(found, test)), name
    else:
        assert test in {f"{check}-{mutant}" for check, mutant, *_ in found.MUTANTS}, name


def test_all_are_there() -> None:
    assert list(REQUIREMENTS) == [f"R{number}" for number in range(1, 24)]


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_requirement(requirement: str) -> None:
    sentence, tests = REQUIREMENTS[requirement]
    assert sentence
    assert tests
    for name in tests:
        find(name)


@pytest.mark.parametrize("sample", SAMPLES)
def test_sample(sample: str) -> None:
    assert SAMPLES[sample]
    for name in SAMPLES[sample]:
        find(name)
