// Every call of npm's mailpit-api, as it is published.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { MailpitClient } from "mailpit-api";

const mailpit = new MailpitClient(process.env.MAILPIT_URL);
const used = new Set();
const client = new Proxy(mailpit, {
  get(target, name) {
    used.add(name);
    return target[name].bind(target);
  },
});

const message = (more) => ({
  From: { Email: "from@a.example", Name: "From" },
  To: [{ Email: "to@b.example", Name: "To" }],
  Subject: "a subject",
  Text: "a text",
  HTML: '<p>html <a href="https://x.example/">link</a></p>',
  ...more,
});

beforeEach(() => client.deleteMessages());

test("about the server", async () => {
  assert.equal((await client.getInfo()).Version, "v1.30.5");
  assert.equal((await client.getConfiguration()).MessageRelay.Enabled, false);
});

test("a message and what is in it", async () => {
  const picture = {
    Content: btoa("GIF8"), Filename: "p.gif", ContentType: "image/gif", ContentID: "p",
  };
  const { ID } = await client.sendMessage(message({ Attachments: [picture] }));
  const summary = await client.getMessageSummary(ID);
  assert.equal(summary.Subject, "a subject");
  assert.match(summary.Date, /^\d{4}-\d\d-\d\dT/);
  const [inline] = summary.Inline;
  const part = await client.getMessageAttachment(ID, inline.PartID);
  assert.equal(await part.text(), "GIF8");
  assert.equal(part.type, "image/gif");
  assert.equal((await client.getAttachmentThumbnail(ID, inline.PartID)).type, "image/jpeg");
  assert.deepEqual((await client.getMessageHeaders(ID)).Subject, ["a subject"]);
  assert.match(await client.getMessageSource(ID), /^From: From <from@a.example>\r\n/);
  assert.match(await client.renderMessageHTML(ID, 1), /<p>html/);
  assert.equal((await client.renderMessageText()).trim(), "a text");
  assert.deepEqual((await client.htmlCheck(ID)).Warnings, []);
  const { Links } = await client.linkCheck(ID, true);
  assert.deepEqual(Links, [{ URL: "https://x.example/", StatusCode: 0, Status: "not checked" }]);
  await assert.rejects(client.spamAssassinCheck(ID), /404/);
  await assert.rejects(client.releaseMessage(ID, { To: ["x@x.example"] }), /400.*no relay/);
  await assert.rejects(client.getMessageSummary("none"), /404/);
});

test("lists and searches", async () => {
  for (const Subject of ["one", "two", "three"]) await client.sendMessage(message({ Subject }));
  const page = await client.listMessages(1, 1);
  assert.deepEqual([page.messages[0].Subject, page.total, page.start], ["two", 3, 1]);
  const found = await client.searchMessages({ query: "subject:t", limit: 1 });
  assert.deepEqual([found.messages_count, found.messages.length], [2, 1]);
  const dated = { query: "after:2020-01-01", tz: "Europe/Paris" };
  assert.equal((await client.searchMessages(dated)).messages_count, 3);
  await client.deleteMessagesBySearch({ query: "subject:two" });
  await client.deleteMessages({ IDs: [found.messages[0].ID] });
  assert.equal((await client.listMessages()).total, 1);
});

test("waits", async () => {
  const waiting = client.waitForMessage({ query: "subject:late" }, { interval: 10 });
  await client.sendMessage(message({ Subject: "late" }));
  assert.equal((await waiting).Subject, "late");
  const two = client.waitForMessages({ count: 2, exact: true }, { interval: 10 });
  await client.sendMessage(message());
  assert.equal((await two).messages_count, 2);
  await assert.rejects(
    client.waitForMessage({ query: "subject:never" }, { timeout: 30, interval: 10 }),
    /Timeout/,
  );
});

test("read state", async () => {
  const { ID } = await client.sendMessage(message());
  assert.equal(await client.setReadStatus({ IDs: [ID], Read: true }), "ok");
  assert.equal((await client.listMessages()).unread, 0);
  const search = { Search: "subject:subject", Read: false };
  await client.setReadStatus(search, { tz: "UTC" });
  assert.equal((await client.listMessages()).unread, 1);
});

test("tags", async () => {
  const { ID } = await client.sendMessage(message({ Tags: ["sent"] }));
  assert.deepEqual(await client.getTags(), ["sent"]);
  await client.setTags({ IDs: [ID], Tags: ["a tag", "other"] });
  await client.renameTag("a tag", "new");
  await client.deleteTag("other");
  assert.deepEqual(await client.getTags(), ["new"]);
  assert.equal((await client.searchMessages({ query: "tag:new" })).messages_count, 1);
});

test("chaos", async () => {
  const Sender = { ErrorCode: 421, Probability: 5 };
  assert.deepEqual((await client.setChaosTriggers({ Sender })).Sender, Sender);
  assert.deepEqual((await client.getChaosTriggers()).Sender, Sender);
  assert.equal((await client.setChaosTriggers()).Sender.Probability, 0);
});

test("no call was left out", () => {
  const all = Object.getOwnPropertyNames(MailpitClient.prototype);
  const calls = all.filter((name) => !["constructor", "request"].includes(name));
  assert.deepEqual(calls.filter((name) => !used.has(name)), []);
});
