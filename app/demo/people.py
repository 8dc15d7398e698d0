"""Who is in the demo organisation: about sixty people in six service areas. Every name is made up."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product

from app.models.client import Role

SEED = 20260101
AGENTS_OF_A_TEAM = 8

GIVEN_NAMES = (
    "Aaliyah Adaeze Aiko Anders Ayodele Beatriz Bram Carys Chidi Dagny Daniela Dimitri Elif Emre Eun-ji Fatou Freya"
    " Gareth Halima Hugo Imani Ioana Isla Javier Jamila Kavita Kofi Leilani Lucia Magnus Mei Mihai Niamh Oksana Olu"
    " Pooja Rafael Rania Sanna Sefa Siobhan Tariq Tomasz Usha Viktor Wiremu Yara Yusuf Zanele Zoltan"
)
FAMILY_NAMES = (
    "Abara Achterberg Almeida Arslan Balogun Bergqvist Bianchi Castellanos Chaudhary Dlamini Dragomir Eriksen Farouk"
    " Fitzgerald Goncalves Griffiths Hakimi Hashimoto Ivanenko Jankowski Kamara Karlsson Kowhai Lindholm Mbeki Mendoza"
    " Moreau Nakamura Nwosu Oyelaran Papadakis Petrov Quiroga Rahman Rasmussen Sato Sharma Silveira Szabo Tanaka"
    " Temesgen Ueda Vasquez Wanjiru Yilmaz Zielinska"
)


@dataclass(frozen=True)
class Area:
    """A service area, its team, and what its work is like."""

    name: str
    description: str
    team: str
    hardness: float
    """The share of hard calls on an ordinary day, for somebody to whom they come as often as to others."""
    answers: tuple[int, int, int, int]
    """How often, of ten prompts, one is accepted and done, accepted, declined, and left to run out."""


AREAS = (
    Area("Legal advice line", "First advice on what the law says.", "Legal advice", 0.05, (6, 2, 1, 1)),
    Area("Money advice", "Debt, budgets and bailiffs.", "Money advice", 0.08, (5, 2, 1, 2)),
    Area("Employment rights", "Pay, dismissal and discrimination at work.", "Employment rights", 0.03, (6, 2, 1, 1)),
    Area("Housing", "Eviction, repairs and homelessness.", "Housing", 0.16, (1, 1, 3, 5)),
    Area("Bereavement", "What has to be done when somebody has died.", "Bereavement", 0.2, (1, 1, 2, 6)),
    Area("Energy and water", "Bills, meters and being cut off.", "Energy and water", 0.02, (5, 1, 2, 2)),
)


@dataclass(frozen=True)
class Person:
    """Somebody in the demo organisation. To agents hard calls come ``luck`` times as often as to others."""

    number: str
    user_name: str
    given_name: str
    family_name: str
    title: str
    manager: str | None = None
    area: Area | None = None
    luck: float = 0.0
    hired_on: date = date(2021, 3, 1)

    @property
    def is_agent(self) -> bool:
        return self.luck > 0

    @property
    def hardness(self) -> float:
        """The share of hard calls on an ordinary day."""
        return self.luck * self.area.hardness if self.area else 0.0


# These are the cast of the documentation and of the tests; their user names are first names.
STAFF = (
    Person("H100", "marguerite", "Marguerite", "Oduya", "Director of services"),
    Person("H101", "noor", "Noor", "Visser", "Resilience programme lead", "H100"),
    Person("H102", "hana", "Hana", "Kobayashi", "HR administrator", "H100"),
    Person("H103", "jonas", "Jonas", "Weber", "Coach", "H101"),
    Person("H104", "ines", "Ines", "Carvalho", "EAP coordinator", "H102"),
    Person("H105", "desmond", "Desmond", "Achebe", "Internal auditor", "H100"),
    Person("H110", "priya", "Priya", "Raghavan", "Service manager", "H100"),
    Person("H111", "callum", "Callum", "MacRae", "Service manager", "H100"),
)
MANAGERS = ("H110", "H111")
ROLES = {
    "noor": Role.programme_lead,
    "hana": Role.hr_administrator,
    "jonas": Role.coach,
    "ines": Role.eap_coordinator,
    "desmond": Role.auditor,
}
KNOWN = {
    (0, 0): ("theo", "Theo", "Lindqvist"),
    (0, 1): ("amira", "Amira", "Haddad"),
    (0, 2): ("grace", "Grace", "Okafor"),
}
LUCK = (0.4, 0.6, 0.8, 1.0, 1.0, 1.2, 2.4)


def everyone(chance: random.Random) -> list[Person]:
    """Return the whole organisation: the staff, and of each area the team lead and then the agents."""
    pairs = iter(chance.sample(list(product(GIVEN_NAMES.split(), FAMILY_NAMES.split())), 200))
    return [*STAFF, *(person for place, area in enumerate(AREAS) for person in _team(chance, place, area, pairs))]


def _team(chance: random.Random, place: int, area: Area, pairs: Iterator[tuple[str, str]]) -> Iterator[Person]:
    lead = f"H{200 + 10 * place}"
    for index in range(AGENTS_OF_A_TEAM + 1):
        user_name, given_name, family_name = KNOWN.get((place, index)) or _named(next(pairs))
        yield Person(
            number=f"H{200 + 10 * place + index}",
            user_name=user_name,
            given_name=given_name,
            family_name=family_name,
            title="Adviser" if index else "Team lead",
            manager=lead if index else MANAGERS[place % len(MANAGERS)],
            area=area,
            luck=chance.choice(LUCK) if index else 0.0,
            hired_on=date(2018, 1, 1) + timedelta(days=chance.randrange(2500)),
        )


def _named(pair: tuple[str, str]) -> tuple[str, str, str]:
    given, family = pair
    return f"{given}.{family}".lower(), given, family
