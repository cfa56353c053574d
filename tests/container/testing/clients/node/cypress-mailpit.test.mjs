// Every command of npm's cypress-mailpit, as it is published.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { commands, requests } from "./cypress.mjs";

beforeEach(() => commands.mailpitDeleteAllEmails());

const send = (options) => commands.mailpitSendMail(options);

test("sends with its defaults and gets the message", async () => {
  const { ID } = await send();
  const mail = await commands.mailpitGetMail(ID);
  assert.equal(await commands.mailpitGetSubject(mail), "Hello Mailpit");
  assert.equal(await commands.mailpitGetFromAddress(mail), "from@example.com");
  assert.deepEqual(await commands.mailpitGetRecipientAddress(mail), ["jane@example.com"]);
  assert.equal((await commands.mailpitGetMailTextBody(mail)).trim(), "hello from mailpit");
  assert.equal((await commands.mailpitGetMailHTMlBody(mail)).trim(), "<p>hello from mailpit</p>");
  assert.deepEqual(mail.Bcc, [{ Name: "", Address: "bcc@example.com" }]);
});

test("lists, and gets the latest", async () => {
  await send({ subject: "one" });
  await send({ subject: "two" });
  const all = await commands.mailpitGetAllMails(0, 1);
  assert.deepEqual([all.messages[0].Subject, all.total], ["two", 2]);
  assert.equal((await commands.mailpitGetMail()).Subject, "two");
});

test("attachments", async () => {
  const attachments = [{ Filename: "note.txt", Content: btoa("text") }];
  await send({ attachments });
  const mail = await commands.mailpitGetMail();
  assert.deepEqual(await commands.mailpitGetAttachments(mail), ["note.txt"]);
});

test("searches by subject of several words, by recipient, and by anything", async () => {
  await send({ subject: "Reset your password", textBody: "your password" });
  await send({ subject: "Welcome", to: [{ Email: "new@example.com", Name: "New" }] });
  const bySubject = await commands.mailpitGetEmailsBySubject("Reset your password");
  assert.deepEqual(bySubject.messages.map((mail) => mail.Subject), ["Reset your password"]);
  const byRecipient = await commands.mailpitGetEmailsByTo("new@example.com");
  assert.equal(byRecipient.messages_count, 1);
  await commands.mailpitHasEmailsBySubject("Welcome");
  await commands.mailpitHasEmailsByTo("jane@example.com");
  await commands.mailpitHasEmailsBySearch("subject:welcome to:new");
  await commands.mailpitNotHasEmailsBySubject("Goodbye");
  await commands.mailpitNotHasEmailsByTo("nobody@example.com");
  await commands.mailpitNotHasEmailsBySearch("goodbye");
  await assert.rejects(
    commands.mailpitHasEmailsBySubject("Goodbye", 0, 50, { timeout: 20, interval: 10 }),
    /Timed out after 20ms/,
  );
});

test("read and unread, some and all", async () => {
  await send();
  await send();
  const unread = async () => (await commands.mailpitGetAllMails()).unread;
  const { messages } = await commands.mailpitGetAllMails();
  assert.equal(await commands.mailpitSetStatusAsRead(messages[0]), "ok");
  assert.equal(await unread(), 1);
  await commands.mailpitSetAllEmailStatusAsRead();
  assert.equal(await unread(), 0);
  await commands.mailpitSetStatusAsUnRead(messages);
  assert.equal(await unread(), 2);
  await commands.mailpitSetStatusAsRead(messages);
  await commands.mailpitSetAllEmailStatusAsUnRead();
  assert.equal(await unread(), 2);
});

test("deletes by search", async () => {
  await send({ subject: "one" });
  await send({ subject: "two" });
  await commands.mailpitDeleteEmailsBySearch("subject:one");
  const left = await commands.mailpitGetAllMails();
  assert.deepEqual(left.messages.map((mail) => mail.Subject), ["two"]);
});

test("there is no SpamAssassin", async () => {
  await send();
  const mail = await commands.mailpitGetMail();
  await assert.rejects(commands.mailpitGetMailSpamAssassinSummary(mail), /404/);
  await assert.rejects(commands.mailpitGetMailSpamAssainSummary(mail), /404/);
});

test("no command was left out, and each really asked", () => {
  assert.equal(Object.keys(commands).length, 26);
  assert.ok(requests.length > 30);
});
