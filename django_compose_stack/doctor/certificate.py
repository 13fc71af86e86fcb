"""A check of production's certificate, where this engine runs one for DOMAIN."""

from __future__ import annotations

from django_compose_stack.doctor.stack import Finding, Findings, Stack

FEW = 14  # days; renewed are certificates with a third of their life left, of 90 days thirty


def check_certificate(stack: Stack) -> Findings:
    if not stack.info or not stack.value("DOMAIN") or not (stack.root / "compose.prod.yaml").exists():
        return
    from django_compose_stack.production import certificates

    found = certificates.current()
    if found and (found.failure or found.days < FEW):
        yield Finding(
            "certificate",
            f"The certificate of production: {certificates.sentence(found)}",
            "Without a valid one browsers refuse the site.",
            "Let the names of DOMAIN lead to this machine in DNS, open port 80 to everybody, and look at the log of "
            "`acme`: make logs MODE=production. Then ask again at once: make deploy",
        )
