// What the shop mails. The tests run side by side, each in a run of its own.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Shop } from "./shop.mjs";
import { Mailbox, smtp } from "./signpost.mjs";

const withMailbox = (run) => async () => {
  const mailbox = new Mailbox();
  try {
    await run(mailbox, new Shop({ ...smtp, secure: false }));
  } finally {
    await mailbox[Symbol.asyncDispose]();
  }
};

describe("the shop", { concurrency: true }, () => {
  test("mails a link to confirm", withMailbox(async (mailbox, shop) => {
    await shop.signUp(mailbox.address("alice"));

    const mail = await mailbox.wait("subject:confirm");
    assert.equal(mail.links.length, 1);
    assert.match(mail.links[0], /^https:\/\/shop\.example\/confirm\?token=/);
    assert.deepEqual(mail.Extra.Envelope.To, [mailbox.address("alice")]);
  }));

  test("mails a code to log in", withMailbox(async (mailbox, shop) => {
    const code = await shop.logIn(mailbox.address("bob"));

    assert.deepEqual((await mailbox.wait()).codes, [code]);
  }));

  test("logs in without TLS: secure is false and auth is set", withMailbox(async (mailbox) => {
    const auth = { user: "shop", pass: "any password will do" };
    const shop = new Shop({ ...smtp, secure: false, ignoreTLS: true, auth });
    await shop.logIn(mailbox.address("bob"));

    const { Extra } = await mailbox.wait();
    assert.deepEqual([Extra.Login, Extra.TLS], ["shop", null]);
  }));

  test("tries again after 451", withMailbox(async (mailbox, shop) => {
    const times = 2;
    await mailbox.fault({ phase: "rcpt-to" }, { reply: "451 4.7.1 try again later", times });
    await shop.signUp(mailbox.address());

    await mailbox.wait("subject:confirm");
    assert.equal((await mailbox.messages()).length, 1);
  }));

  test("takes 550 for an answer", withMailbox(async (mailbox, shop) => {
    await mailbox.fault({ phase: "rcpt-to" }, { reply: "550 5.1.1 no such user" });

    await assert.rejects(shop.signUp(mailbox.address()), /no such user/);
    assert.deepEqual(await mailbox.messages(), []);
  }));

  test("would be rejected with this DNS", withMailbox(async (mailbox, shop) => {
    await mailbox.zone({
      "shop.example": { TXT: ["v=spf1 -all"] },
      "_dmarc.shop.example": { TXT: ["v=DMARC1; p=reject"] },
    });
    await shop.signUp(mailbox.address());

    const { Verdict } = (await mailbox.wait()).Extra;
    assert.deepEqual([Verdict.SPF.Result, Verdict.DMARC.Result], ["fail", "fail"]);
    assert.equal(Verdict.Disposition, "reject");
  }));

  test("has a message that is not there named", withMailbox(async (mailbox, shop) => {
    await shop.signUp(mailbox.address());

    await assert.rejects(mailbox.wait("subject:invoice", "50ms"), /Confirm your address/);
  }));
});
