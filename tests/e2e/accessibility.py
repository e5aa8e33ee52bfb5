"""What axe-core finds that people with disabilities cannot use."""

from playwright.sync_api import Page


def violations(page: Page, axe: str, where: str) -> list[str]:
    """Serious ones and worse."""
    page.evaluate(axe)  # by the debugger's protocol, which the page's policy does not concern
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{where}: {one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
    ]
