// The verdict on a message: SPF, each DKIM signature, DMARC, ARC, and what becomes of it.
//
// The words are RFC 8601's. A mark says the same by its shape, for who does not see its colour.

import { copyButton, h, icon } from "./dom.js";
import { number, visible } from "./format.js";

const TONES = {
  pass: "pass", fail: "fail", permerror: "fail", softfail: "warn", temperror: "warn",
  neutral: "neutral", none: "neutral", policy: "neutral",
};
const SIGNS = { pass: "check", fail: "cross", warn: "warn", neutral: "dash" };
// What the words mean, for who does not read RFCs.
const MEANINGS = {
  SPF: {
    pass: "the client may send for this domain", fail: "the domain says: not from this client",
    softfail: "the domain says: probably not from this client", neutral: "the domain does not say",
    none: "the domain has no SPF record", temperror: "DNS failed", permerror: "the SPF record cannot be used",
  },
  DKIM: {
    pass: "the signature fits the message", fail: "the signature does not fit the message",
    neutral: "the signature cannot be used", none: "the message has no signature",
    policy: "not accepted here", temperror: "DNS failed", permerror: "the signature or its key cannot be used",
  },
  DMARC: {
    pass: "the author domain is authenticated", fail: "nothing authenticates the author domain",
    none: "the author domain has no DMARC record", temperror: "DNS failed",
    permerror: "there is no author domain to ask for",
  },
  ARC: {
    pass: "the chain of forwarders is whole", fail: "the chain of forwarders is broken",
    none: "no forwarder has sealed the message",
  },
  IPRev: {
    pass: "the address has a name that leads back to it", fail: "the name does not lead back to the address",
    permerror: "the address has no name", temperror: "DNS failed",
  },
};
// What production does with the message: tone, title, how.
const DISPOSITIONS = {
  none: ["pass", "Delivered", "to the inbox"],
  quarantine: ["warn", "Quarantined", "into the Junk folder"],
  reject: ["fail", "Rejected", "with 550 5.7.26"],
  defer: ["warn", "Deferred", "with 451 4.7.5, to try again later"],
};
const MOST_SIGNATURES = 20; // a message can have a thousand
const MOST_IN_STRIP = 4; // signatures
const MOST_RECORDS = 40; // lookups that are shown of one method

export const toneOf = (word) => TONES[word] ?? "neutral";

/** A word with its mark. */
export const mark = (word, tone = toneOf(word)) =>
  h("span", { class: `mark ${tone}` }, icon(SIGNS[tone]), h("span", {}, visible(word)));

/** `{lines, outcome, field}`; null where nothing was verified. */
export function readVerdict(verdict) {
  if (!verdict || typeof verdict !== "object") return null;
  const lookups = sorted(verdict);
  const { SPF: spf, DMARC: dmarc = {}, ARC: arc = {}, IPRev: iprev } = verdict;
  const all = verdict.DKIM?.length ? verdict.DKIM : [{ Result: "none" }];
  const signatures = all.slice(0, MOST_SIGNATURES);
  const more = all.length - signatures.length;
  const lines = [
    line("SPF", spf ?? { Result: "none", Reason: "not checked" }, spfDetails(spf), lookups.spf),
    ...signatures.map((one) => line("DKIM", one, dkimDetails(one), lookups.dkim.get(keyName(one)) ?? [])),
    more && line("DKIM", { Result: "policy", Reason: "not shown" }, [`${number(more)} more signatures`], []),
    line("DMARC", dmarc, dmarcDetails(dmarc), lookups.dmarc),
    line("ARC", arc, [arc.Instances ? `${number(arc.Instances)} ${arc.Instances === 1 ? "seal" : "seals"}` : "", arc.Sealer && `newest by ${arc.Sealer}`], lookups.arc),
    iprev && line("IPRev", iprev, [iprev.Name], []),
  ];
  return { lines: lines.filter(Boolean), outcome: outcomeOf(verdict), field: verdict.AuthenticationResults || "" };
}

/** What a list says of it. */
export function inShort(verdict) {
  const word = verdict?.DMARC?.Result;
  return word ? { method: "DMARC", word, tone: toneOf(word) } : null;
}

const titles = { IPRev: "Reverse DNS" };

function line(method, result, details, lookups) {
  const word = String(result?.Result || "none");
  return {
    method, word, lookups, title: titles[method] ?? method,
    // That an address has no name decides nothing, and is how it is where a test says nothing of PTR.
    tone: method === "IPRev" && word !== "pass" ? "neutral" : toneOf(word),
    meaning: MEANINGS[method][word] ?? "", reason: result?.Reason || "", details: details.filter(Boolean).map(String),
  };
}

function spfDetails(spf) {
  if (!spf) return [];
  const sender = spf.Sender || spf.Domain;
  return [
    sender && `${spf.Identity === "helo" ? "HELO" : "MAIL FROM"} ${sender}`,
    spf.Explanation && `the domain explains: ${spf.Explanation}`,
  ];
}

const dkimDetails = (one) => [
  one.Domain && `d=${one.Domain}`, one.Selector && `s=${one.Selector}`, one.Algorithm && `a=${one.Algorithm}`,
  one.Identity && one.Identity !== `@${one.Domain}` && `i=${one.Identity}`,
];

const dmarcDetails = (dmarc) => [
  dmarc.Domain && `From ${dmarc.Domain}`, dmarc.Policy && `policy ${dmarc.Policy}`,
  dmarc.OrganizationalDomain && dmarc.OrganizationalDomain !== dmarc.Domain && `organizational domain ${dmarc.OrganizationalDomain}`,
  !dmarc.Reason && dmarc.Aligned?.length && `aligned: ${dmarc.Aligned.map((one) => `${one.Method} ${one.Domain}`).join(", ")}`,
];

const keyName = (one) => `${one.Selector}._domainkey.${one.Domain}`.toLowerCase();

/** Each look-up where it belongs: a name says whose it is. */
function sorted(verdict) {
  const signed = new Set((verdict.DKIM ?? []).map(keyName));
  const found = { spf: [], dmarc: [], arc: [], dkim: new Map() };
  for (const one of verdict.DNS ?? []) {
    const name = String(one.Name).toLowerCase().replace(/\.$/, "");
    if (name.startsWith("_dmarc.")) found.dmarc.push(one);
    else if (signed.has(name)) found.dkim.set(name, [...(found.dkim.get(name) ?? []), one]);
    else if (name.includes("._domainkey.")) found.arc.push(one);
    else found.spf.push(one);
  }
  return found;
}

function outcomeOf({ Disposition: word, Reason: reason, Enforced: enforced }) {
  if (!word) return null;
  const [tone, title, how] = DISPOSITIONS[word] ?? ["neutral", word, ""];
  const isKept = word !== "none" && enforced === false;
  return { tone, title, how, reason: reason || "", note: isKept ? "Kept here all the same: DMARC is not enforced on this server." : "" };
}

/** SPF, DKIM, DMARC, ARC side by side, and what becomes of the message. */
export function strip(verdict, onclick) {
  if (!verdict) return null;
  let signatures = 0;
  const shown = verdict.lines.filter(({ method, word }) => method !== "IPRev" && !(method === "ARC" && word === "none")
    && !(method === "DKIM" && ++signatures > MOST_IN_STRIP));
  const { outcome } = verdict;
  return h("button", { class: "strip", type: "button", onclick, title: "Show the verdict line by line" },
    h("span", { class: "strip-lines" }, shown.map((one) =>
      h("span", { class: `strip-line ${one.tone}` }, h("span", { class: "strip-method" }, one.title), mark(one.word, one.tone)))),
    outcome && h("span", { class: `strip-end ${outcome.tone}` }, h("span", { class: "strip-method" }, "In production"),
      h("span", { class: `mark ${outcome.tone}` }, icon(SIGNS[outcome.tone]), h("span", {}, visible(outcome.title)))));
}

/** Every line with its reason and the records that decided. */
export function verdictPanel(verdict) {
  if (!verdict) return h("p", { class: "nothing" }, "No verdict: this message was not verified.");
  const { outcome } = verdict;
  return h("div", { class: "verdict" },
    outcome && h("div", { class: `outcome ${outcome.tone}` },
      h("span", { class: `seal ${outcome.tone}` }, icon(SIGNS[outcome.tone])),
      h("div", {}, h("p", {}, "In production: ", h("strong", {}, visible(outcome.title.toLowerCase())), outcome.how && ` ${outcome.how}`),
        outcome.reason && h("p", { class: "reason" }, visible(outcome.reason)),
        outcome.note && h("p", { class: "reason" }, outcome.note))),
    h("ol", { class: "lines" }, verdict.lines.map(oneLine)),
    verdict.field && h("div", { class: "block" },
      h("h3", {}, "Authentication-Results, as production stamps it", copyButton(`Authentication-Results: ${verdict.field}`, "the field")),
      h("pre", { class: "wrap" }, visible(verdict.field).split("; ").join(";\n    "))));
}

function oneLine(one) {
  const said = one.reason || (one.details.length ? one.meaning : "");
  return h("li", { class: "line", "data-method": one.method },
    h("div", { class: "line-method" }, one.title),
    h("div", { class: "line-mark" }, mark(one.word, one.tone)),
    h("div", { class: "line-body" },
      h("p", { class: "line-details" }, (one.details.length ? one.details : [one.meaning || "–"]).map((text) => h("bdi", {}, visible(text)))),
      said && h("p", { class: "reason" }, visible(said)),
      one.lookups.length ? h("ul", { class: "records" }, one.lookups.slice(0, MOST_RECORDS).map(oneLookup)) : null));
}

function oneLookup({ Name: name, Type: type, Result: result, Records: records }) {
  return h("li", {}, h("span", { class: "record-name" }, h("bdi", {}, visible(name)), h("span", { class: "record-type" }, visible(type))),
    records?.length ? records.map((record) => h("code", {}, visible(record))) : h("code", { class: "failed" }, visible(result || "no record")));
}
