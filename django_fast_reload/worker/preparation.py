"""What the first request of a test loads lazily, loaded before the tests: so a later save finds snapshots of it."""

import sys

from .usage import Usage


class Preparation:
    """Middleware, URLconf and the engines of templates.

    is_done: they are loaded. report: see ipc.Collected.prepared. rendered: number of templates so far.
    """

    def __init__(self, usage: Usage):
        self.usage = usage
        self.is_done, self.report, self.rendered = False, {}, 0

    def is_possible(self, config) -> bool:
        django = sys.modules.get("django.conf")
        is_set_up = django is not None and django.settings.configured and config.pluginmanager.hasplugin("django")
        return is_set_up and not self.is_done

    def is_all_there(self, run: dict) -> bool:
        """Tell whether tests can be chosen without it: no change has to do with it. run: see Outcomes.run."""
        changed = run["changed"].keys()
        is_apart = changed <= self.usage.modules.keys() and changed.isdisjoint(run["prepared"])
        return is_apart and not self.is_missed()

    def load(self, config, position: int) -> None:
        """Raise what the project raises. position: number of records so far."""
        from django.conf import settings
        from django.template import engines
        from django.test.utils import setup_test_environment, teardown_test_environment
        from django.urls import get_resolver
        from django.utils.module_loading import import_string

        mode, before = config.getini("django_debug_mode"), set(self.usage.loaded)
        setup_test_environment(debug=None if mode == "keep" else str(mode).lower() in ("true", "1", "yes"))
        for name in settings.MIDDLEWARE:
            import_string(name)
        get_resolver().url_patterns  # noqa: B018 (loads the URLconf)
        engines.all()
        teardown_test_environment()
        self.is_done = True
        self.report = {"position": position, "paths": sorted({path for path, _ in self.usage.loaded - before})}

    def uses(self) -> tuple:
        """Return something that is different after a test that needs what is loaded here."""
        resolvers = sys.modules.get("django.urls.resolvers")
        return (resolvers and resolvers._get_cached_resolver.cache_info()[:2], self.rendered)

    def is_missed(self) -> bool:
        """Tell whether some of it was loaded all the same."""
        from django.conf import settings
        from django.template import engines

        return getattr(settings, "ROOT_URLCONF", "") in sys.modules or bool(engines._engines)
