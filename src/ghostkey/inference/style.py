"""Whether a key looks like its live neighbours: how names are built, and what sort of value they have."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ghostkey.inference.machines import bears_address, bears_identifier
from ghostkey.model.events import Shape

# Few examples say little about a style; from here on a name has to be built like one that was seen.
ENOUGH_EXAMPLES = 8
SOME_EXAMPLES = 5  # that have one word in common
COUNTED_EXAMPLES = 4  # that all end with a number
FEW_EXAMPLES = 3  # that have an address in their name, or one domain
EXAMPLES = 400
_TELLING = re.compile(r"[-._0-9]")
_DIGIT = re.compile(r"[0-9]")
_UNDONE = re.compile(r"(?:un|non)[a-z]{3,}ed")  # `unallocated`, `unmapped`: what is nobody's
_COUNTED = re.compile(r"[a-z]*[0-9]{1,6}")
_SEPARATORS = re.compile(r"[^a-zA-Z0-9]+")

# Words that settings are called by, and what nearly every cluster has beside its own things; and endings that files have. A key
# that is one of these is nobody's name, unless an object is called so, and then the object is found.
SETTINGS = frozenset(
    """active all annotations api app application args auth backend base batch bool bucket ca cache cert certificate chart cluster
    build by checksum color command common concurrency config configmap configuration connection count cpu created creation cron data database db debug
    default defaults delay description dev disabled driver dsn enable enabled encoding endpoint endpoints engine env
    environment error example expiry extra fallback features file files filter flags format frontend general generation
    global globals group groups handler hash head header headers help host hostname hosts http https id ids image images
    include index info init input interval issuer issuing items job jobs key keys kind kubeconfig label labels language last
    latest layout leader level leveled license limit limits list listen local locale location lock log logging logger
    loglevel main manifest map max maxage maximum memory message meta metadata metrics min minimum mode model module name next
    namespace namespaces network node none notes number off operator options order origin other output owner package parameters
    params password path paths period permissions pid plugin plugins policy pool port ports prefix preferences prod
    production profile properties protocol provider proxy queue quota rate readme realm reason redis refresh region
    registry release replicas report request resource resources response retries retry revision role roles root route
    routes rule rules schedule schema scheme scope script secret section security selector server service services
    session settings severity shards size source spec ssl stage staging start state status stop storage strategy style
    suffix summary sync synced table tag tags target template team templates test theme threshold timeout timestamp timezone title tls
    token topic tracing ttl type uid unit update updated upstream uri url user username users uuid value values version
    volume warning weight worker workers zone zones
    admin artifactory aws azure bastion bitbucket datadog dockerhub elasticsearch fluentd gcp ghcr git github gitlab grafana jira kafka
    anonymous any anyone archive backup burst canary cd ci demo everybody everyone everything experiment experimental external fixture guest guests
    internal it loadtest misc miscellaneous nobody office oncall ops others partner partners playground preview primary private public qa
    quarantine reserved runner sandbox secondary shared smoke staff standby support temp temporary test tester testing tests tmp
    trial trials uat unassigned unknown unused various vendor vendors vpn
    airflow alertmanager argocd authelia authentik camunda cassandra clickhouse elastic etcd externaldns filebeat fluentbit gitea
    haproxy hasura jaeger jenkins kyverno linkerd logstash mariadb mattermost metabase mssql nextcloud nginx opensearch promtail redash
    redpanda rocketchat sonarqube splunk sqlserver superset thanos traefik trino trivy velero wordpress zabbix zookeeper
    keycloak kibana ldap loki mailgun memcached minio mongodb mysql newrelic nexus oauth oidc pagerduty postgres postgresql
    auth0 b2b b2c base64 db2 ec2 http2 i18n ipv4 ipv6 k3s k8s l10n log4j log4j2 md5 n8n neo4j oauth2 office365 rds route53
    sha1 sha256 sha512 utf8 x509
    bit bridge capacity collector crm erp exporter fluent forwarder healthcheck istio mirror overview readonly readwrite relay sidecar
    superadmin toggle toggles usage watchdog webhook webhooks
    adyen akamai algolia amplitude anthropic braintree braze chargebee cloudflare cloudinary confluence contentful crowdstrike databricks
    docusign dropbox dynatrace facebook fastly firebase freshdesk google hubspot huggingface intercom klarna klaviyo launchdarkly linkedin
    mailchimp mailjet mapbox maps marketo mixpanel mollie netsuite okta openai opsgenie optimizely outlook paypal postmark quickbooks
    contingency dmz guest infrastructure intranet lan overhead reserve reserves unplanned wan wifi
    recaptcha salesforce sap servicenow sharepoint shopify snowflake snyk sonarcloud telegram trello twitter vonage weather webex workday
    xero youtube zendesk zuora
    prometheus pypi quay rabbitmq root s3 saml sendgrid sentry slack smtp sso stripe superuser twilio vault wildcard""".split()  # noqa: SIM905
)
# the letter and the digit that meet first in each of its words that have a digit: `s3`, `oauth2`
_NUMBERED = frozenset(word[found.start() - 1 : found.end()] for word in SETTINGS if (found := _DIGIT.search(word)))
FILE_ENDINGS = frozenset(
    [
        "bat",
        "cer",
        "cfg",
        "cnf",
        "conf",
        "config",
        "crt",
        "css",
        "csv",
        "env",
        "html",
        "ini",
        "jks",
        "js",
        "json",
        "key",
        "log",
        "lua",
        "md",
        "p12",
        "pem",
        "pfx",
        "php",
        "properties",
        "pub",
        "py",
        "rb",
        "rego",
        "sh",
        "sql",
        "svg",
        "tmpl",
        "toml",
        "tpl",
        "txt",
        "xml",
        "yaml",
        "yml",
    ]
)


def is_setting(text: str) -> bool:
    """Whether a key is an ordinary setting's or file's name rather than anybody's."""
    # few words of SETTINGS have a digit, and none begins with one; this is asked of every lost key
    found = _DIGIT.search(text)
    if found and text[max(0, found.start() - 1) : found.end()] not in _NUMBERED and text.islower() and "." not in text:
        return False
    words = [word for word in _SEPARATORS.split(text.lower()) if word]
    if not words:
        return True
    if "." in text and words[-1] in FILE_ENDINGS:
        return True
    return all(word in SETTINGS or _UNDONE.fullmatch(word) for word in words) or (text != text.lower() and text != text.upper())


def is_telling(name: str) -> bool:
    """Whether a name has more to it than one word: a digit, a dash or a dot."""
    return _TELLING.search(name) is not None


class Style:
    """How the live names of a map are built: how many words, and whether each is letters, digits or both."""

    def __init__(self, names: Iterable[str]) -> None:
        self._positions: dict[int, list[set[str]]] = {}
        self._literals: dict[int, list[set[str]]] = {}
        self._fixed: dict[int, list[tuple[int, str]]] = {}  # words that all names of so many words share, and where
        self._separators: set[str] = set()
        self._examples = 0
        self._upper = False
        self._telling = 0
        self._identified = self._addressed = 0
        self._domains: set[str] = set()
        self._ends: set[str] = set()  # words that names end with
        for number, name in enumerate(names):
            if number >= EXAMPLES:
                break
            self._learn(name)

    def _learn(self, name: str) -> None:
        words = _SEPARATORS.split(name)
        self._examples += 1
        self._telling += is_telling(name)
        self._identified += bears_identifier(name)
        self._addressed += bears_address(name)
        self._domains.add(name.partition(".")[2])
        self._ends.add(words[-1])
        self._separators |= set(_SEPARATORS.findall(name))
        self._upper = self._upper or name != name.lower()
        positions = self._positions.setdefault(len(words), [set() for _ in words])
        literals = self._literals.setdefault(len(words), [set() for _ in words])
        for position, literal, word in zip(positions, literals, words, strict=True):
            position.add(_class_of(word))
            literal.add(word)

    def fits(self, name: str) -> bool:
        """Whether a name could stand among the ones this style was learnt from."""
        if not self._examples or not self.is_alike(name):
            return False
        if not set(_SEPARATORS.findall(name)) <= self._separators | ({"-"} if self._examples < ENOUGH_EXAMPLES else set()):
            return False
        words = _SEPARATORS.split(name)
        positions = self._positions.get(len(words))
        if self._examples < ENOUGH_EXAMPLES:
            return min(self._positions) - 1 <= len(words) <= max(self._positions) + 1
        if positions is None:
            # names with any number of words: one more or less is no surprise
            return len(self._positions) > 2 and min(self._positions) <= len(words) <= max(self._positions)
        return all(
            "mixed" in seen or _class_of(word) in seen or (_class_of(word) == "mixed" and len(seen) > 1)
            for seen, word in zip(positions, words, strict=True)
        )

    def is_alike(self, name: str) -> bool:
        """Whether a name has what all live names have: lower case, more than one bare word, an identifier, an address, a domain."""
        if not name or (not self._upper and name != name.lower()):
            return False
        if self._identified == self._examples > 1 and not bears_identifier(name):
            return False
        if self._examples >= FEW_EXAMPLES and self._addressed == self._examples and not bears_address(name):
            return False
        domain = next(iter(self._domains)) if len(self._domains) == 1 and self._examples >= FEW_EXAMPLES else ""
        if "." in domain and name.partition(".")[2] != domain:
            return False  # a switch of the office among the machines of a cloud
        return is_telling(name) or self._telling < self._examples

    def is_counted_without(self, name: str) -> bool:
        """Whether all live names end with a number, as what is counted does, and this does not."""
        are_counted = self._examples >= COUNTED_EXAMPLES and all(map(_COUNTED.fullmatch, self._ends))
        return are_counted and not name[-1:].isdigit()

    def common_end_without(self, name: str) -> str:
        """The word that all live names, of several words, end with, where this does not: `db`, of `orders-db`; empty if there is none."""
        if self._examples < SOME_EXAMPLES or self._telling < self._examples or len(self._ends) != 1:
            return ""
        [common] = self._ends
        return common if common.isalpha() and not name.endswith(common) else ""

    def shares_words(self, name: str) -> bool:
        """Whether a name has, wherever the live names all share a word, that word too (`tenant-1`, `tenant-2` …)."""
        if self._examples < ENOUGH_EXAMPLES:
            return True
        words = _SEPARATORS.split(name)
        fixed = self._fixed.get(len(words))
        if fixed is None:
            literals = self._literals.get(len(words), ())
            fixed = self._fixed[len(words)] = [(place, min(seen)) for place, seen in enumerate(literals) if len(seen) == 1]
        return all(words[place] == word for place, word in fixed)


def _class_of(word: str) -> str:
    if word.isdigit():
        return "digits"
    return "letters" if word.isalpha() else "mixed"


class Shapes:
    """What sorts of value the live keys have."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._names = {shape.name for shape in shapes}
        self._fields = [set(name[5:].split(",")) for name in self._names if name.startswith("json:")][:64]

    def resembles(self, shape: Shape) -> bool:
        """Whether a value of this shape could belong to a neighbour; JSON records may differ in half of their fields."""
        if not self._names or shape.name in self._names:
            return True
        if shape.name.startswith("json:"):
            fields = set(shape.name[5:].split(","))
            return any(2 * len(fields & seen) >= len(fields | seen) for seen in self._fields)
        return _coarse(shape.name) in {_coarse(name) for name in self._names}

    def has_record(self, shape: Shape) -> bool:
        """Whether a value is a JSON object with the very fields, two at least, that a live key's value has."""
        return shape.name.startswith("json:") and "," in shape.name and shape.name in self._names

    @property
    def has_empty(self) -> bool:
        """Whether live keys too have empty values: then an empty value is no tombstone."""
        return "empty" in self._names

    def __bool__(self) -> bool:
        return bool(self._names)


def _coarse(name: str) -> str:
    if name in {"word", "phrase", "path", "decided"}:
        return "line"  # one line of text, whatever is in it
    return name


def made_of(text: str) -> frozenset[str]:
    """Which sorts of characters a key has: letters are one, digits another, and each mark is its own."""
    return frozenset("9" if c.isdigit() else "a" if c.isalpha() else c for c in text)
