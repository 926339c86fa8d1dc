"""Keys and certificates of one control plane."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME: Final = datetime.timedelta(days=2)
# A clock that is set back a little while tests run must not make a certificate invalid.
_BACKDATED: Final = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Pki:
    """PEM files: certificate of the authority, key and certificate of the API server, service account key pair."""

    ca: Path
    serving_certificate: Path
    serving_key: Path
    service_account_key: Path
    service_account_public: Path

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Write all files into a folder. Only this user may read the keys."""
        pki = cls(
            ca=folder / "ca.crt",
            serving_certificate=folder / "apiserver.crt",
            serving_key=folder / "apiserver.key",
            service_account_key=folder / "service-account.key",
            service_account_public=folder / "service-account.pub",
        )
        authority_key = ec.generate_private_key(ec.SECP256R1())
        serving_key = ec.generate_private_key(ec.SECP256R1())
        # RSA as with kubeadm and managed clusters: the clouds that trust a cluster know only RS256.
        account_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        authority = _authority(authority_key)
        serving = _serving(serving_key, authority, authority_key)
        pki.ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        pki.serving_certificate.write_bytes(serving.public_bytes(serialization.Encoding.PEM))
        _write_key(pki.serving_key, serving_key)
        _write_key(pki.service_account_key, account_key)
        pki.service_account_public.write_bytes(
            account_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return pki


def _builder(common_name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = "imagecopy test control plane"
    return (
        _builder(name, key, _name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _serving(
    key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    names = [
        x509.DNSName("localhost"),
        x509.DNSName("kubernetes.default.svc"),
        x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
    ]
    # Python 3.13 and newer verify with VERIFY_X509_STRICT, which requires the authority's key identifier.
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder("kube-apiserver", key, authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
