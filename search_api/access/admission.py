"""Who is let in, and how often: what the gate asks, and what a route asks that does the work of several."""

from __future__ import annotations

import msgspec

from search_api.access import authenticate
from search_api.access.principal import LOCAL, NOBODY, Principal
from search_api.access.rates import Rates
from search_api.settings import Settings
from streamer.clock import Clock


class Admission:
    """The configured credentials and limits of this process."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Read keys and issuers; raises SettingsError for those that cannot be used."""
        self._authenticator = authenticate.load(settings.access, settings.indices, clock)
        self._everybody = msgspec.structs.replace(LOCAL, limits=settings.access.limits)
        self.rates = Rates(clock)

    async def caller(self, headers: authenticate.Headers) -> Principal:
        """Return who sent a request with `headers`: NOBODY when they have no credentials, and need some.

        Raises CredentialsRefused, CredentialsExpired or CredentialsUnchecked.
        """
        if self._authenticator is None:
            return self._everybody
        credentials = authenticate.given(headers)
        return NOBODY if credentials is None else await self._authenticator.principal(credentials)
