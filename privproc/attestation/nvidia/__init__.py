"""NVIDIA's GPUs and switches: SPDM evidence, chain, manifests of values; appraisal of all devices of a machine at once.

SPDM: DMTF DSP0274, version 1.1. What NVIDIA puts into it: nvtrust and attestation-sdk, as published by NVIDIA.
"""

from privproc.attestation.nvidia.appraisal import BootDevices, Device, FreshDevices, appraise, appraise_boot
from privproc.attestation.nvidia.chain import NVIDIA_ROOTS, VerifiedChain, verify_chain
from privproc.attestation.nvidia.evidence import Evidence, Kind
from privproc.attestation.nvidia.policy import AnyDevice, Devices, Policy, Reference, merge
from privproc.attestation.nvidia.report import Report
from privproc.attestation.nvidia.rim import NVIDIA_RIM_ROOTS, Rim, reference, verify_rim
from privproc.attestation.nvidia.status import confirm_devices, confirm_rim
from privproc.attestation.ocsp import ANY_NONCE, NotRevoked, verify_status
from privproc.attestation.roots import Roots

__all__ = [
    "ANY_NONCE",
    "NVIDIA_RIM_ROOTS",
    "NVIDIA_ROOTS",
    "AnyDevice",
    "BootDevices",
    "Device",
    "Devices",
    "Evidence",
    "FreshDevices",
    "Kind",
    "NotRevoked",
    "Policy",
    "Reference",
    "Report",
    "Rim",
    "Roots",
    "VerifiedChain",
    "appraise",
    "appraise_boot",
    "confirm_devices",
    "confirm_rim",
    "merge",
    "reference",
    "verify_chain",
    "verify_rim",
    "verify_status",
]
