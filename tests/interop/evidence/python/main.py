"""NVIDIA's verifiers of GPUs and switches, of PyPI, behind the driver protocol of tests/interop/driver.py.

Each decides in its own ``attest``, with the roots, the time and the manifests that the request names. Two services that
it would ask are answered here: manifests come from the request, and no certificate is revoked.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent / "packages"))
ANSWERS, sys.stdout = sys.stdout, sys.stderr  # the verifiers write to both

from OpenSSL import crypto  # noqa: E402


class AtTheTime(crypto.X509StoreContext):
    """Verifies a certificate at the time of the request: none of the callers has a parameter for it."""

    time = datetime.now(UTC)

    def __init__(self, store, *arguments):
        store.set_time(self.time)
        super().__init__(store, *arguments)


crypto.X509StoreContext = AtTheTime

from nv_attestation_sdk.utils.logging_config import get_logger  # noqa: E402
from nv_attestation_sdk.verifiers.nv_switch_verifier import config as switch_config  # noqa: E402
from nv_attestation_sdk.verifiers.nv_switch_verifier import nvswitch_admin  # noqa: E402
from nv_attestation_sdk.verifiers.nv_switch_verifier.attestation import (  # noqa: E402
    AttestationReport as SwitchReport,
)
from nv_attestation_sdk.verifiers.nv_switch_verifier.models.nvswitch import NVSwitch  # noqa: E402
from verifier import cc_admin, config  # noqa: E402
from verifier.attestation import AttestationReport  # noqa: E402
from verifier.nvml.gpu_cert_chains import GpuCertificateChains  # noqa: E402
from verifier.nvml.test_handle import TestHandle  # noqa: E402
from verifier.rim import RIM  # noqa: E402
from verifier.utils import format_vbios_version  # noqa: E402

OPTIONS = dict.fromkeys(("vbios_rim", "rim_service_url", "ocsp_url", "service_key"))
OPTIONS |= dict.fromkeys(("allow_hold_cert", "ocsp_nonce_disabled", "verbose"), False)
FAMILIES = {"hopper": (9, config.HopperSettings), "blackwell": (10, config.BlackwellSettings)}
LOGGER = get_logger()
MANIFESTS = Path(config.__file__).parent / "samples"


def not_revoked(*_arguments):
    return True, "", "good", None


cc_admin.CcAdminUtils.ocsp_certificate_chain_validation = staticmethod(not_revoked)
nvswitch_admin.NVSwitchAdminUtils.ocsp_certificate_chain_validation = staticmethod(not_revoked)
nvswitch_admin.NSCQHandler = lambda: SimpleNamespace(
    get_switch_architecture=lambda: (switch_config.LS10Settings.SwitchArch,)
)


class Refusals(logging.Handler):
    """Keeps what a verifier logged last about a refusal, a failure of its own first: it tells its caller nothing."""

    last = ""

    def emit(self, record):
        if record.exc_info:
            self.last = repr(record.exc_info[1])
        elif record.levelno >= logging.WARNING or "not matching" in record.getMessage():
            self.last = record.getMessage()


class Driver:
    """Holds nothing from one request to the next."""

    def __init__(self, folder):
        self.folder = folder
        self.refusals = Refusals()
        for name in ("gpu-verifier-info", "gpu-verifier-event", LOGGER.name):
            logging.getLogger(name).addHandler(self.refusals)

    def nvidia_appraise(self, family, at, root, rim_root, nonce, driver, firmware, certificates, report, *rims):
        AtTheTime.time = datetime.fromtimestamp(int(at), UTC)
        self.roots(root, rim_root)
        decide = self.switch if family == "switch" else self.gpu
        self.refusals.last = "no reason given"
        nonce, certificates, report = data(nonce).hex(), data(certificates), data(report)
        good, _ = decide(family, nonce, data(driver).decode(), data(firmware).decode(), certificates, report, rims)
        if not good:
            raise ValueError(self.refusals.last)
        return []

    def nvidia_rim(self, at, rim_root, version, manifest):
        AtTheTime.time = datetime.fromtimestamp(int(at), UTC)
        self.roots("-", rim_root)
        settings = config.HopperSettings()
        RIM("driver", settings, content=data(manifest).decode()).verify(data(version).decode().lower(), settings)
        if not settings.check_if_gpu_driver_rim_version_matched():
            raise ValueError("another version")
        return []

    def nvidia_values(self, manifest):
        """Index and alternatives of what is active, as read from a manifest."""
        found = RIM("driver", config.HopperSettings(), content=data(manifest).decode()).get_measurements()
        active = {index: each for index, each in found.items() if each.is_active()}
        results = [len(active)]
        for index, each in active.items():
            values = [each.get_value_at_index(number) for number in range(each.get_number_of_alternatives())]
            results += [index, len(values), *map(bytes.fromhex, values)]
        return results

    def nvidia_read(self, family, report):
        """Nonce, driver, firmware, firmware id and measurements."""
        settings = config.HopperSettings()
        raw = data(report)
        read = SwitchReport(raw, LOGGER, LOGGER) if family == "switch" else AttestationReport(raw, settings)
        stated = read.get_response_message().get_opaque_data().OpaqueDataField
        firmware = stated["OPAQUE_FIELD_ID_VBIOS_VERSION"]
        return [
            read.get_request_message().get_nonce(),
            stated.get("OPAQUE_FIELD_ID_DRIVER_VERSION", b""),
            firmware if family == "switch" else format_vbios_version(firmware).encode(),
            stated.get("OPAQUE_FIELD_ID_FWID", b""),
            *map(bytes.fromhex, read.get_measurements()),
        ]

    def nvidia_published(self):
        """Name and content of the files that NVIDIA publishes inside of its package."""
        return [part for each in sorted(MANIFESTS.iterdir()) for part in (each.name.encode(), each.read_bytes())]

    def roots(self, device, manifests):
        """NVIDIA's own are in files, which the settings name."""
        for name, pem in (("DEVICE_ROOT_CERT", device), ("RIM_ROOT_CERT", manifests)):
            path = self.folder / name
            path.write_bytes(data(pem))
            for settings in (config.BaseSettings, switch_config.BaseSettings):
                setattr(settings, name, str(path))

    def gpu(self, family, nonce, driver, firmware, certificates, report, rims):
        architecture, settings = FAMILIES[family]
        config.GPU_ARCHITECTURE_MAP[architecture] = made = settings()
        paths = [self.folder / name for name in ("driver.swidtag", "firmware.swidtag")]
        for path, rim in zip(paths, rims, strict=True):
            path.write_bytes(data(rim))
        made.DRIVER_RIM_PATH = str(paths[0])
        chain = GpuCertificateChains(TestHandle(certificates)).GpuAttestationCertificateChain
        gpu = SimpleNamespace(
            get_gpu_architecture=lambda: architecture,
            get_uuid=lambda: "GPU",
            get_driver_version=lambda: driver,
            get_vbios_version=lambda: firmware,
            get_attestation_report=lambda: report,
            get_attestation_cert_chain=lambda: chain,
        )
        files = {"driver_rim": str(paths[0]), "vbios_rim": str(paths[1])}
        return cc_admin.attest(OPTIONS | files | {"test_no_gpu": True, "user_mode": True}, nonce, [gpu])

    def switch(self, _family, nonce, _driver, _firmware, certificates, report, rims):
        (rim,) = rims
        nvswitch_admin.NVSwitchAdminUtils.fetch_rim_file = staticmethod(lambda _name: data(rim).decode())
        return nvswitch_admin.attest(OPTIONS, nonce, [NVSwitch("switch", [certificates], report)])


def data(word):
    return bytes.fromhex(word.removeprefix("-"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder))
        for line in sys.stdin:
            operation, _library, *words = line.split()
            try:
                results = getattr(driver, operation.replace(".", "_"))(*words)
                written = [str(each) if isinstance(each, int) else each.hex() or "-" for each in results]
                print("ok", *written, file=ANSWERS, flush=True)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is no answer
                print("error", type(error).__name__, " ".join(str(error).split()), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
