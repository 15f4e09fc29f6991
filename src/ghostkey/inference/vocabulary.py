"""Words that people choose from: countries, sizes, colours, regions, tiers, stages. Tables of them are kept by hand."""

from __future__ import annotations

import re
from typing import Final

# Source: ISO 3166-1 alpha-2, ISO 639-1 and ISO 4217 (the most used), and the sizes, tiers and stages that clouds and shops sell
_COUNTRIES = (
    "ae ar at au be bg br ca ch cl cn co cy cz de dk ee eg es eu fi fr gb gr hk hr hu id ie il in is it jp ke kr lt lu lv ma mt mx "
    "my ng nl no nz pe ph pk pl pt ro rs ru sa se sg si sk th tr tw ua uk us vn za austria belgium brazil canada china denmark "
    "finland france germany greece india ireland italy japan mexico netherlands norway poland portugal spain sweden switzerland"
)
_SIZES = "nano micro tiny mini xxs xs s small m medium l large xl xlarge xxl 2xl 3xl 2xlarge 4xlarge 8xlarge huge big metal"
_COLOURS = (
    "amber black blue bronze brown cyan gold gray green grey indigo magenta maroon navy olive orange pink purple red silver teal "
    "violet white yellow crimson"
)
_TIERS = (
    "basic bronze business community dev enterprise essential free gold growth hobby lite personal platinum premium pro silver "
    "standard starter team trial ultimate critical high low medium normal urgent first second third"
)
_STAGES = (
    "alpha beta canary ci demo dev development edge e2e integration int latest local live lts nightly perf playground preprod "
    "preview prod production qa rc release sandbox stable stage staging test testing uat"
)
_REGIONS = "africa america americas apac asia cis east emea europe global latam north oceania south west"
_DAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun january february march april may june "
    "july august september october november december hourly daily weekly monthly yearly"
)
_MONEY = "aud brl cad chf cny czk dkk eur gbp hkd huf inr jpy mxn nok pln sek sgd usd zar"
_PROTOCOLS = "amqp ftp grpc http https icmp ldap mqtt sctp smtp ssh tcp tls udp websocket"
_WORDS: Final = frozenset(f"{_COUNTRIES} {_SIZES} {_COLOURS} {_TIERS} {_STAGES} {_REGIONS} {_DAYS} {_MONEY} {_PROTOCOLS}".split())
# eu-west-1, europe-west4-b, eu-west-1a, ap-southeast-2, centralus, de-de, en_us
_REGION = re.compile(
    r"(?:us|eu|ap|sa|ca|me|af|cn|il|europe|asia|australia|northamerica|southamerica|us-gov)-"
    r"(?:north|south|east|west|central|northeast|southeast|northwest|southwest|gov)+-?\d?(?:-?[a-f])?|[a-z]{2}[-_][a-z]{2}"
)


def is_vocabulary(name: str) -> bool:
    """Whether a name is one that people choose from a list everybody knows, rather than one thing's own."""
    name = name.lower()
    return name in _WORDS or _REGION.fullmatch(name) is not None
