"""What the page of the papers says in sentences: each rests on claims, or on the league, and these are as it says."""

import re

import pytest
import snippets

from jaxvec.core.evaluation import Interval
from jaxvec.papers import PAPERS, pages
from jaxvec.papers.verdicts import OUTCOMES

claims, results = snippets.maker("claims"), snippets.maker("results")
PAGE = snippets.ROOT / "docs" / "results" / "papers.md"
MARK = re.compile(r"<!-- rests on (league of )?(\w+): (.*?) -->", re.DOTALL)
LEAGUE = "league of "
POSITIONS = ("ahead", "behind", "level")


def sentences(text):
    """Heading -> sentences of its list, each with what it rests on: `(sentence, [(source, name, outcome)])`."""
    found = {}
    for heading, section in re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        items = re.findall(r"^- (.*?)(?=^- |^\S|\n\n|\Z)", section, re.MULTILINE | re.DOTALL)
        found[heading] = [(" ".join(MARK.sub("", item).split()), rests_on(item)) for item in items]
    return found


def rests_on(item):
    return [
        (league + source, *(part.strip() for part in pair.rsplit(" = ", 1)))
        for league, source, pairs in MARK.findall(item)
        for pair in pairs.split("; ")
    ]


def position(row):
    """Where a policy ends beside the best local rule, by the interval of the difference."""
    column = next(name for name in row if name.startswith("ahead of") and "local" in name)
    mean, half = (float(x) for x in re.match(r"(\S+) ± (\S+)", row[column].replace("\N{MINUS SIGN}", "-")).groups())
    ahead = Interval(mean, half)
    return "ahead" if ahead.mean > ahead.half else "behind" if -ahead.mean > ahead.half else "level"


def now(folder):
    """(source, name) -> the outcome as it is shipped; of a paper without a page of these outcomes there is none."""
    known = {(env_id, name): x["outcome"] for env_id in PAPERS for name, x in claims.verdicts(folder, env_id).items()}
    for system, (rows, _) in results.leagues().items():
        known |= {(LEAGUE + system, name): position(row) for name, row in rows.items() if row["training"]}
    return known


def wrong(said, known):
    """What is said that is not so, in words; of a paper without a page of verdicts nothing is wrong."""
    there = {source for source, _ in known}
    return [
        f"{sentence!r} rests on {source} {name} = {outcome}, which is now: {found}"
        for of_heading in said.values()
        for sentence, rests in of_heading
        for source, name, outcome in rests
        if source in there and outcome != (found := known.get((source, name), claims.NO_VERDICT))
    ]


SAID = sentences(PAGE.read_text())
TAKEAWAYS = {env_id: SAID[f"{env_id}: what to take away"] for env_id in PAPERS}
METHOD = SAID["What was learned about the method"]


def test_sentences_say_what_is_shipped():
    assert not (found := wrong(SAID, now(results.FOLDER))), "\n".join(["look at these sentences again:", *found])


def test_there_are_three_plain_sentences_on_each_paper_and_each_rests_on_claims_of_it():
    for env_id, said in TAKEAWAYS.items():
        assert len(said) == 3, env_id
        for sentence, rests in said:
            assert rests, sentence
            assert {source for source, *_ in rests} == {env_id}, sentence
            assert sentence.endswith(f"({', '.join(name for _, name, _ in rests)})."), sentence
    assert len(METHOD) >= 5


def test_every_sentence_is_one_and_names_what_there_is():
    known = {(env_id, claim.name) for env_id, paper in PAPERS.items() for claim in paper.claims}
    league = {key for key in now(results.FOLDER) if key[0].startswith(LEAGUE)}
    for sentence, rests in [one for said in (*TAKEAWAYS.values(), METHOD) for one in said]:
        assert len(re.findall(r"[.!?](?=\s|$)", sentence)) == 1, sentence
        assert len(sentence) < 350, sentence
        assert rests, sentence
        told = sentence[sentence.rindex("(") :]
        for source, name, outcome in rests:
            assert (source, name) in known | league, (sentence, source, name)
            allowed = POSITIONS if source.startswith(LEAGUE) else (*OUTCOMES, claims.NO_VERDICT)
            assert outcome in allowed, (sentence, outcome)
            assert name in told, (sentence, name)


def verdict(env_id, name, outcome, **others):
    words = {claim.name: claim.words for claim in PAPERS[env_id].claims}[name]
    empty = {"numbers": "1 | 2 are 3", "power": "", "learners": ""}
    return {name: {"claim": name, "words": words, "outcome": outcome, **empty, **others}}


def shipped(folder, env_id, *verdicts):
    """A page of verdicts, as `jaxvec reproduce --ship` writes it."""
    known = {name: x for one in verdicts for name, x in one.items()}
    made = {figure.number: {"date": "today"} for figure in PAPERS[env_id].figures}
    (folder / f"verdicts-{env_id}.md").write_text(pages.page(PAPERS[env_id], known, made, {}))
    return known


def test_a_page_gives_its_verdicts_back(tmp_path):
    known = shipped(
        tmp_path,
        "v2x_offload",
        verdict("v2x_offload", "C3", "not shown", learners="stuck", power="5 samples show 2 or more"),
        verdict("v2x_offload", "C3 rules", "holds"),
        verdict("v2x_offload", "C15", "not testable"),
    )
    known["C3 rules"]["numbers"] = known["C3"]["numbers"] = known["C15"]["numbers"] = "1 / 2 are 3"
    assert claims.verdicts(tmp_path, "v2x_offload") == known
    assert claims.verdicts(tmp_path, "dt_edge") == {}
    (tmp_path / "verdicts-dt_edge.md").write_text(
        "| | statement | | numbers |\n|---|---|---|---|\n| P6 | x | open | 1 |\n"
    )
    assert claims.verdicts(tmp_path, "dt_edge") == {}, "an earlier version"


def test_a_sentence_that_a_new_page_contradicts_is_named(tmp_path):
    said = {"a": [("It is so (C3).", [("v2x_offload", "C3", "holds"), ("v2x_offload", "C4", "no verdict yet")])]}
    assert wrong(said, now(tmp_path)) == []
    shipped(tmp_path, "v2x_offload", verdict("v2x_offload", "C3", "holds"))
    assert wrong(said, now(tmp_path)) == []
    shipped(tmp_path, "v2x_offload", verdict("v2x_offload", "C5", "holds"))
    assert wrong(said, now(tmp_path)) == [
        "'It is so (C3).' rests on v2x_offload C3 = holds, which is now: no verdict yet"
    ]
    shipped(tmp_path, "v2x_offload", verdict("v2x_offload", "C3", "not shown"), verdict("v2x_offload", "C4", "holds"))
    assert wrong(said, now(tmp_path)) == [
        "'It is so (C3).' rests on v2x_offload C3 = holds, which is now: not shown",
        "'It is so (C3).' rests on v2x_offload C4 = no verdict yet, which is now: holds",
    ]


def test_claims_are_counted_and_listed_with_their_reasons(tmp_path):
    shipped(
        tmp_path,
        "twin_migration",
        verdict("twin_migration", "C4", "contradicted", numbers="long " * 90, learners="flat"),
        verdict("twin_migration", "C6", "not shown", learners="stuck"),
        verdict(
            "twin_migration", "C10", "not shown", learners="DM-MAPPO at 40: stuck", power="5 samples show 2 or more"
        ),
        verdict("twin_migration", "C9", "not shown", power="16 samples show 0.2 or more"),
        verdict("twin_migration", "C5", "holds"),
    )
    n = len(PAPERS["twin_migration"].claims)
    rows = claims.by_outcome(tmp_path).splitlines()
    assert rows[0] == "| paper | holds | contradicted | not shown | not testable | no verdict yet | claims |"
    assert f"| `twin_migration` | 1 | 1 | 3 | 0 | {n - 5} | {n} |" in rows
    others = sum(len(paper.claims) for _, paper in PAPERS.items()) - n
    assert rows[-1] == f"| all | 1 | 1 | 3 | 0 | {n - 5 + others} | {n + others} |"
    against = claims.with_outcome(tmp_path, "contradicted").splitlines()
    assert len(against) == 3
    assert against[2].startswith("| `twin_migration` | C4 | DM-MAPPO and MASAC earn more with prediction | long long ")
    assert against[2].endswith("long …; learners: flat |")
    reasons = [
        row.strip("| ").split(" | ")[1::2] for row in claims.with_outcome(tmp_path, "not shown").splitlines()[2:]
    ]
    is_open = {claim.name: claim.open for claim in PAPERS["twin_migration"].claims}["C6"]
    assert reasons == [
        ["C6", is_open],
        ["C9", "16 samples show 0.2 or more"],
        ["C10", "DM-MAPPO at 40: stuck"],
    ]
    assert claims.with_outcome(tmp_path, "not testable") == "None so far."


@pytest.mark.parametrize("there", [True, False])
def test_claims_on_circuits_are_told_as_they_are(tmp_path, there):
    if there:
        shipped(tmp_path, "urllc_vec", verdict("urllc_vec", "15 match", "not shown", learners="stuck"))
    rows = [row for row in claims.of_circuits(tmp_path).splitlines() if row.startswith("| 15 match |")]
    assert rows == [
        "| 15 match | the circuit is better than a classical layer of its size | "
        + ("not shown | 1 / 2 are 3 | stuck |" if there else "no verdict yet |  |  |")
    ]
