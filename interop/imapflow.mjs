// What an application does with ImapFlow, against one server: `node imapflow.mjs FOLDER_OF_MODULES PORT CA USER PASSWORD`.
// Ends with 0, and a line for each extension that was in use, if all of it came out right.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, port, ca, user, pass] = process.argv.slice(2);
const { ImapFlow } = createRequire(`${modules}/`)("imapflow");

const connect = async (options = {}) => {
    const client = new ImapFlow({
        host: "localhost", port: Number(port), secure: true, auth: { user, pass },
        tls: { ca: readFileSync(ca) }, logger: false, qresync: true, ...options,
    });
    await client.connect();
    return client;
};

const message = (name) =>
    `From: Bob <bob@example.net>\r\nTo: Anna <anna@example.org>\r\nSubject: ${name}\r\n` +
    `Message-ID: <${name}@example.net>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\nThis is ${name}.\r\n`;

const client = await connect();
const other = await connect({ disableAutoIdle: true });
for (const extension of ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT"]) {
    if (client.enabled.has(extension)) console.log(`${extension} enabled`);
}
if (client.capabilities.has("COMPRESS=DEFLATE")) console.log("COMPRESS=DEFLATE offered");

// Mailboxes, with names that are not ASCII.
const folder = await client.mailboxCreate(["flow", "Grüße"]);
assert.equal(folder.created, true);
await client.mailboxRename(folder.path, "flow/Jürgen");
const listed = (await client.list({ statusQuery: { messages: true, unseen: true } })).map((box) => box.path);
assert.ok(listed.includes("flow/Jürgen"), listed.join());
await client.mailboxSubscribe("flow/Jürgen");

// Messages.
for (const name of ["one", "two", "three"]) {
    const { uid } = await client.append("flow/Jürgen", message(name), ["\\Seen"], new Date(1763726400000));
    assert.ok(uid > 0);
}
const status = await client.status("flow/Jürgen", { messages: true, unseen: true, uidNext: true, highestModseq: true });
assert.equal(status.messages, 3);
assert.equal(status.unseen, 0);

let lock = await client.getMailboxLock("flow/Jürgen");
const found = await client.search({ subject: "two" }, { uid: true });
assert.equal(found.length, 1);
const fetched = await client.fetchOne(found[0], { envelope: true, flags: true, bodyStructure: true, source: true, internalDate: true }, { uid: true });
assert.equal(fetched.envelope.subject, "two");
assert.equal(fetched.source.toString(), message("two"));
assert.equal(fetched.bodyStructure.type, "text/plain");
assert.ok(fetched.flags.has("\\Seen"));
assert.equal(+fetched.internalDate, 1763726400000);
const { content } = await client.download(found[0], undefined, { uid: true });
const pieces = [];
for await (const piece of content) pieces.push(piece);
assert.equal(Buffer.concat(pieces).toString(), message("two"));

// What another session does is told.
const told = { exists: 0, flags: 0, expunge: 0 };
client.on("exists", () => told.exists++);
client.on("flags", () => told.flags++);
client.on("expunge", () => told.expunge++);
const theirs = await other.getMailboxLock("flow/Jürgen");
await other.append("flow/Jürgen", message("four"));
await other.messageFlagsAdd({ subject: "one" }, ["\\Flagged", "$Label1"]);
await other.messageDelete({ subject: "three" });
theirs.release();
await client.noop();
assert.ok(told.exists && told.flags && told.expunge, JSON.stringify(told));

const moved = await client.messageMove({ subject: "four" }, "INBOX");
assert.equal(moved.uidMap.size, 1);
const copied = await client.messageCopy({ subject: "one" }, "INBOX");
assert.equal(copied.uidMap.size, 1);
const since = client.mailbox.highestModseq;
await client.messageFlagsSet({ subject: "two" }, ["\\Answered"]);
if (since) {
    const changed = [];
    for await (const one of client.fetch("1:*", { flags: true, uid: true }, { changedSince: since })) changed.push(one);
    assert.ok(changed.length >= 1, "changedSince tells of the change");
    console.log("CHANGEDSINCE asked");
}
lock.release();

const quota = await client.getQuota("INBOX");
if (quota) console.log("QUOTA asked");
lock = await client.getMailboxLock("INBOX");
await client.messageDelete("1:*");
lock.release();
await client.mailboxDelete("flow/Jürgen");
await other.logout();
await client.logout();
