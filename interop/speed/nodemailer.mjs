// Sends messages by nodemailer: nodemailer.mjs MODULES NODELAY PORT CONNECTIONS MESSAGES SIZE. Prints the seconds from the first
// message to the last answer, the connections included: it opens them when they are needed.
import { createRequire } from "node:module";
import net from "node:net";

const [modules, nodelay, ...numbers] = process.argv.slice(2);
const [port, connections, messages, size] = numbers.map(Number);
const nodemailer = createRequire(`${modules}/`)("nodemailer");
const head = "From: bob@example.net\r\nTo: anna@example.org\r\nSubject: speed\r\n\r\n";
const line = "x".repeat(76) + "\r\n";
const raw = Buffer.from((head + line.repeat(Math.ceil(size / line.length))).slice(0, size - 2) + "\r\n");
const transport = nodemailer.createTransport({
    host: "127.0.0.1", port, secure: false, ignoreTLS: true, pool: true, maxConnections: connections,
    maxMessages: Infinity, disableFileAccess: true,
});
if (nodelay === "yes") {
    transport.getSocket = (options, callback) => {
        const connection = net.connect({ host: "127.0.0.1", port, noDelay: true }, () => callback(null, { connection }));
    };
}
const envelope = { from: "bob@example.net", to: ["anna@example.org"] };
const start = process.hrtime.bigint();
let left = messages;
await Promise.all(Array.from({ length: connections }, async () => {
    while (left-- > 0) await transport.sendMail({ envelope, raw });
}));
console.log(Number(process.hrtime.bigint() - start) / 1e9);
transport.close();
