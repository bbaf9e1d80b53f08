"""Sentry simulated: an organisation's issues, cron monitors and projects, over REST.

As the vendor's: paths end in a slash; `query` means `is:unresolved` unless given; counts are strings; pages hang on the
sort key, which moves while one pages; both rels of `Link` are always there; every answer carries the rate limit's
headers. An issue that happens again after it was resolved has regressed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote, urlencode

from lab.search import terms
from lab.sentry_crons import Cron, monitor, order
from lab.sentry_search import Asked, bad, read, window
from lab.server import Json, Now, Refused, Request, Response, Table, route
from lab.source import Limit, Source, Versions, iso, milliseconds

_ISSUES = r"/api/0/organizations/(?P<org>[^/]+)/issues/"
_MONITORS = r"/api/0/organizations/(?P<org>[^/]+)/monitors/"
_HOUR = timedelta(hours=1)
_PAGE = 100
_DETAILS = {
    400: "The request could not be read.",
    401: "Invalid token",
    403: "You do not have permission to perform this action.",
    404: "The requested resource does not exist",
    429: "You are attempting to use this endpoint too frequently. Limit is {limit} requests in {period:g} seconds",
}
_SORTS = ("date", "new", "freq", "user", "inbox", "recommended", "trends")
_PRIORITY = {"fatal": "high", "error": "high", "warning": "medium"}


@dataclass(slots=True)
class _Issue:
    """What Sentry keeps of an issue beside the row that it shows."""

    environments: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    releases: dict[str, Json] = field(default_factory=lambda: {"firstRelease": None, "lastRelease": None})
    """What one issue shows, and a list does not."""
    rows: Versions[Json | None] = field(default_factory=Versions)
    """None once it is deleted."""


class Sentry(Source):
    """`delay`: how long until search shows an event or a change."""

    name = "sentry"

    def __init__(self, now: Now, delay: timedelta = timedelta(seconds=3)) -> None:
        super().__init__(now, delay)
        self.token: str | None = None
        """The one that is valid; None: any."""
        self.organization: str | None = None
        """The one that exists; None: any."""
        self.scopes = {"event:read", "project:read", "org:read", "alerts:read"}
        self.limit = Limit(40, timedelta(seconds=1))
        self.thin_pages = False
        """Whether pages are cut before the query is applied, so that even one before the last may be empty."""
        self._issues: dict[str, _Issue] = {}
        self._projects: dict[str, Json] = {}
        self._crons: dict[str, Cron] = {}

    def project(self, slug: str, platform: str = "python") -> Json:
        """The project, made if there is none."""
        with self.lock:
            number = str(4_500_000 + len(self._projects) + 1)
            row = {"id": number, "slug": slug, "name": slug, "platform": platform}
            return self._projects.setdefault(slug, row)

    def issue(
        self,
        id: str,
        title: str = "",
        project: str = "shop",
        level: str = "error",
        count: int = 1,
        at: datetime | None = None,
        late: timedelta | None = None,
        **fields: Json,
    ) -> None:
        """`count` more events of an issue, the last of them at `at`; the first makes it, with `title` and so on.

        `fields` go over those of the row, by the vendor's names; `environment` and `tags` are searched by, not shown;
        `release` shows where one issue is asked for.
        """
        with self.lock:
            at = at or self.now()
            known = self._issues.setdefault(id, _Issue())
            known.environments.add(fields.pop("environment", "production"))
            known.tags.update(fields.pop("tags", {}))
            if release := fields.pop("release", None):
                known.releases = _released(known.releases, release, at)
            row = known.rows.newest or self._new(id, title or f"Issue {id}", self.project(project), level, at)
            self._put(id, {**_again(row, count, 0, at), **fields}, at, late)

    def resolve(self, id: str, at: datetime | None = None, late: timedelta | None = None) -> None:
        self._set(id, {"status": "resolved", "substatus": None}, at, late)

    def unresolve(self, id: str, at: datetime | None = None, late: timedelta | None = None) -> None:
        self._set(id, {"status": "unresolved", "substatus": "ongoing"}, at, late)

    def archive(self, id: str, at: datetime | None = None, late: timedelta | None = None) -> None:
        self._set(id, {"status": "ignored", "substatus": "archived_until_escalating"}, at, late)

    def regress(self, id: str, count: int = 1, at: datetime | None = None, late: timedelta | None = None) -> None:
        """Events of an issue that was resolved."""
        with self.lock:
            if self._known(id)["status"] != "resolved":
                self.resolve(id, at, late)
            self.issue(id, count=count, at=at, late=late)

    def delete(self, id: str, at: datetime | None = None, late: timedelta | None = None) -> None:
        with self.lock:
            self._known(id)
            self._issues[id].rows.add(None, self._send(id, at or self.now(), late))

    def merge(self, id: str, into: str) -> None:
        """`id` is gone; what was counted for it is counted for `into`."""
        with self.lock:
            gone, row = self._known(id), self._known(into)
            count, users = int(gone["count"]), gone["userCount"]
            self._put(into, _again(row, count, users, read(gone["lastSeen"])), self.now(), None)
            self.delete(id)

    def check_in(
        self,
        slug: str,
        status: str = "ok",
        environment: str = "production",
        project: str = "shop",
        at: datetime | None = None,
        late: timedelta | None = None,
        threshold: int = 1,
    ) -> None:
        """A check-in of an hourly job, `ok`, `error`, `missed` or `timeout`; the first makes the monitor."""
        with self.lock:
            at, number = at or self.now(), len(self._crons) + 1
            row = monitor(slug, number, self.project(project), at, threshold)
            cron = self._crons.setdefault(slug, Cron(row, number))
            cron.check_in(status, environment, at, self._send(slug, at, late), _HOUR)

    def mute(self, slug: str, muted: bool = True) -> None:
        """All environments of a cron monitor."""
        with self.lock:
            self._crons[slug].change(self.now(), isMuted=muted)

    def disable(self, slug: str) -> None:
        with self.lock:
            self._crons[slug].row["status"] = "disabled"

    def delete_cron(self, slug: str) -> None:
        with self.lock:
            del self._crons[slug]

    def _known(self, id: str) -> Json:
        row = self._issues[id].rows.newest if id in self._issues else None
        if row is None:
            raise ValueError(f"Sentry has no issue '{id}'")
        return row

    def _set(self, id: str, fields: Mapping[str, Json], at: datetime | None, late: timedelta | None) -> None:
        with self.lock:
            self._put(id, {**self._known(id), **fields}, at or self.now(), late)

    def _put(self, id: str, row: Json, at: datetime, late: timedelta | None) -> None:
        self._issues[id].rows.add(row, self._send(id, at, late))

    def _new(self, id: str, title: str, project: Json, level: str, at: datetime) -> Json:
        kind, _, value = title.partition(": ")
        return {
            "id": id,
            "shareId": None,
            "shortId": f"{project['slug'].upper()}-{len(self._issues):X}",
            "title": title,
            "culprit": f"{project['slug']}.views",
            "logger": None,
            "level": level,
            "status": "unresolved",
            "statusDetails": {},
            "substatus": "new",
            "isPublic": False,
            "isUnhandled": level in ("error", "fatal"),
            "platform": project["platform"],
            "project": project,
            "type": "error",
            "issueType": "error",
            "issueCategory": "error",
            "metadata": {"type": kind, "value": value or kind},
            "priority": _PRIORITY.get(level, "low"),
            "assignedTo": None,
            "annotations": [],
            "numComments": 0,
            "hasSeen": False,
            "count": "0",
            "userCount": 0,
            "firstSeen": iso(at),
            "lastSeen": iso(at),
        }

    def handle(self, request: Request) -> Response:
        with self.lock:
            key = _endpoint(request.path)
            return super().handle(request).with_headers(self._rate(self.limit.remaining(key, self.now())))

    def guard(self, request: Request) -> Response | None:
        if not request.path.startswith("/api/"):
            return None
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            return Response(401, {"detail": "Authentication credentials were not provided."})
        if not token or self.token not in (None, token):
            return self.failure(401)
        return None if self.limit.take(_endpoint(request.path), self.now()) else self.failure(429)

    def failure(self, status: int) -> Response:
        period = self.limit.period.total_seconds()
        detail = _DETAILS.get(status, "Internal Error").format(limit=self.limit.count, period=period)
        return Response(status, {"detail": detail}, self._rate(0 if status == 429 else self.limit.count))

    def _rate(self, remaining: int) -> dict[str, str]:
        return {
            "X-Sentry-Rate-Limit-Limit": str(self.limit.count),
            "X-Sentry-Rate-Limit-Remaining": str(remaining),
            "X-Sentry-Rate-Limit-Reset": str(int(self.limit.resets_at(self.now()).timestamp())),
            "X-Sentry-Rate-Limit-ConcurrentLimit": "25",
            "X-Sentry-Rate-Limit-ConcurrentRemaining": "24",
        }

    @route("GET", _ISSUES)
    def list_issues(self, request: Request, org: str) -> Response:
        self._allow(org, "event:read")
        sort = request.arg("sort", "date")
        if sort not in _SORTS:
            raise bad(f"Invalid sort parameter: {sort}")
        asked = [Asked(term, self.now()) for term in terms(request.arg("query", "is:unresolved"))]
        rows = [row for issue in self._among(request) if (row := issue.rows.seen(self.now()))]
        within = window(request, self.now())
        rows = [row for row in rows if within[0] <= read(row["lastSeen"]) and read(row["firstSeen"]) <= within[1]]
        wanted = {row["id"] for row in rows if all(one.met_by(row, self._issues[row["id"]].tags) for one in asked)}
        if not self.thin_pages:
            rows = [row for row in rows if row["id"] in wanted]
        rows.sort(key=lambda row: (_score(row, sort), row["id"]), reverse=True)
        page, links = _paged(rows, sort, request)
        return Response(200, [_shown(row, request, org) for row in page if row["id"] in wanted], {"Link": links})

    @route("GET", _ISSUES + r"(?P<id>[^/]+)/")
    def one_issue(self, request: Request, org: str, id: str) -> Response:
        self._allow(org, "event:read")
        issue = self._issues.get(unquote(id))
        row = issue.rows.seen(self.now()) if issue else None
        if not issue or not row:
            return self.failure(404)
        return Response(200, {**_shown(row, request, org), **issue.releases})

    @route("GET", _MONITORS)
    def list_monitors(self, request: Request, org: str) -> Response:
        self._allow(org, "alerts:read")
        slugs, places = self._asked_projects(request), _places(request)
        shown = [row for cron in self._crons.values() if (row := cron.shown(self.now(), places))]
        rows = [row for row in shown if not slugs or row["project"]["slug"] in slugs]
        rows.sort(key=lambda row: order(row, request.arg("sort", "status")))
        page, links = _paged(rows, "none", request)
        return Response(200, page, {"Link": links})

    @route("GET", _MONITORS + r"(?P<slug>[^/]+)/checkins/")
    def list_check_ins(self, request: Request, org: str, slug: str) -> Response:
        self._allow(org, "alerts:read")
        cron = self._crons.get(unquote(slug))
        if cron is None:
            return self.failure(404)
        page, links = _paged(cron.check_ins_shown(self.now(), _places(request)), "none", request)
        return Response(200, page, {"Link": links})

    @route("GET", r"/api/0/organizations/(?P<org>[^/]+)/projects/")
    def list_projects(self, request: Request, org: str) -> Response:
        self._allow(org, "org:read")
        rows = [{**row, "status": "active", "hasAccess": True} for row in self._projects.values()]
        page, links = _paged(rows, "none", request)
        return Response(200, page, {"Link": links})

    @route("GET", r"/organizations/[^/]+/issues/[^/]+/")
    def permalink(self, _: Request) -> Response:
        """Where a browser lands that follows an issue's link."""
        return Response(200, self.page().encode(), {"Content-Type": "text/html; charset=utf-8"})

    def _allow(self, org: str, scope: str) -> None:
        if self.organization not in (None, org):
            raise Refused(self.failure(404))
        if scope not in self.scopes:
            raise Refused(self.failure(403))

    def _among(self, request: Request) -> list[_Issue]:
        """Those of the projects and environments asked for."""
        slugs, places = self._asked_projects(request), _places(request)
        return [
            issue
            for issue in self._issues.values()
            if (not places or places & issue.environments) and (not slugs or _slug(issue) in slugs)
        ]

    def _asked_projects(self, request: Request) -> set[str]:
        """Slugs, none: all. A project that the token cannot see is refused."""
        asked = {one for one in request.query.get("project", []) if one not in ("", "-1")}
        slugs = {slug for slug, row in self._projects.items() if {slug, row["id"]} & asked}
        if len(slugs) < len(asked):
            raise Refused(self.failure(403))
        return slugs

    def states(self) -> list[Table]:
        rows = [row for issue in self._issues.values() if (row := issue.rows.newest)]
        columns = ("shortId", "id", "title", "level", "status", "substatus", "count", "lastSeen")
        places = [(slug, row) for slug, cron in self._crons.items() for row in cron.newest()]
        shown = ("name", "status", "isMuted", "lastCheckIn", "nextCheckIn")
        return [
            Table("Issues", columns, [[row[column] for column in columns] for row in rows]),
            Table("Cron monitors", ("slug", *shown), [[slug, *(row[one] for one in shown)] for slug, row in places]),
        ]


def _places(request: Request) -> set[str]:
    return {one for one in request.query.get("environment", []) if one}


def _released(before: Json, version: str, at: datetime) -> Json:
    release = {"version": version, "shortVersion": version.rpartition("@")[2], "dateCreated": iso(at), "ref": None}
    return {"firstRelease": before["firstRelease"] or release, "lastRelease": release}


def _slug(issue: _Issue) -> str | None:
    row = issue.rows.newest
    return row["project"]["slug"] if row else None


def _again(row: Json, count: int, users: int, at: datetime) -> Json:
    """The row after more events."""
    resolved = row["status"] == "resolved"
    return {
        **row,
        "status": "unresolved" if resolved else row["status"],
        "substatus": "regressed" if resolved else row["substatus"],
        "count": str(int(row["count"]) + count),
        "userCount": row["userCount"] + users,
        "firstSeen": min(row["firstSeen"], iso(at), key=read),
        "lastSeen": max(row["lastSeen"], iso(at), key=read),
    }


def _shown(row: Json, request: Request, org: str) -> Json:
    link = f"http://{request.headers.get('host', 'localhost')}/organizations/{org}/issues/{row['id']}/"
    whole = "stats" not in request.query.get("collapse", [])
    return {**row, "permalink": link} | ({"stats": {"24h": []}} if whole else {})


def _endpoint(path: str) -> str:
    """What the limit counts by: one for all issues, and one for all monitors."""
    return re.sub(r"/(issues|monitors)/[^/]+/", r"/\1/{id}/", path)


def _score(row: Json, sort: str) -> int:
    """What pages hang on: greatest first."""
    if sort == "freq":
        return int(row["count"])
    if sort == "user":
        return int(row["userCount"])
    if sort == "none":
        return 0
    return milliseconds(read(row["firstSeen" if sort == "new" else "lastSeen"]))


def _paged(rows: list[Json], sort: str, request: Request) -> tuple[list[Json], str]:
    """The page that the cursor asks for, and the Link header. A cursor is `score:offset:is_prev`."""
    scores = [_score(row, sort) for row in rows]
    try:
        limit = min(int(request.arg("limit") or request.arg("per_page") or _PAGE), _PAGE)
        cursor = request.arg("cursor") or f"{max(scores, default=0)}:0:0"
        value, offset, back = (int(part) for part in cursor.split(":"))
    except ValueError:
        raise bad("Invalid cursor parameter.") from None
    if limit < 1:
        raise bad("Invalid limit parameter.")
    place = sum(score > value for score in scores) + offset
    start = max(place - limit, 0) if back else place
    end = place if back else start + limit
    links = [
        _link(request, "previous", scores, start, 1, start > 0),
        _link(request, "next", scores, end, 0, end < len(rows)),
    ]
    return rows[start:end], ", ".join(links)


def _link(request: Request, rel: str, scores: list[int], place: int, back: int, more: bool) -> str:
    score = scores[place] if place < len(scores) else min(scores, default=0)
    cursor = f"{score}:{place - sum(one > score for one in scores)}:{back}"
    query = urlencode({**request.query, "cursor": [cursor]}, doseq=True)
    address = f"http://{request.headers.get('host', 'localhost')}{request.path}?{query}"
    return f'<{address}>; rel="{rel}"; results="{str(more).lower()}"; cursor="{cursor}"'
