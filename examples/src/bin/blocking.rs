//! A client on `std::net` alone: the protocol crates need no tokio, and no runtime at all.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::ExitCode,
};

use anyhow::{Result, bail};
use bytes::{Buf as _, Bytes, BytesMut};
use clap::Parser;
use mailwire_core::{Channel, Connection, Next};
use mailwire_examples::{arguments, exit_code};
use mailwire_smtp::{Command, EhloName, Mail, Mailbox, Rcpt, client};

/// Sends a message over `std::net`, in clear, as one does to a server on the same machine.
///
/// The message is read from standard input. It shows how little a driver is: the function `next_event`
/// is all of it.
///
/// Example:
///   blocking --server localhost:25 --from anna@example.org --to bob@example.org < message.eml
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The server
    #[arg(long, value_name = "HOST:PORT")]
    server: String,
    /// The sender
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// The recipient
    #[arg(long, value_name = "ADDRESS")]
    to: String,
}

fn main() -> ExitCode {
    match arguments() {
        Ok(arguments) => exit_code(run(&arguments)),
        Err(exit) => exit,
    }
}

/// The driver: writes what waits, reads what is needed, until there is an event. `None` means that it
/// is this side's move.
fn next_event<C>(stream: &mut TcpStream, machine: &mut C, input: &mut BytesMut) -> Result<Option<C::Event>>
where
    C: Connection<Error = mailwire_core::Error>,
{
    loop {
        let next = machine.next_event(input);
        while machine.output().has_remaining() {
            let written = stream.write(machine.output().chunk())?;
            machine.output().advance(written);
        }
        match next? {
            Next::Event(event) => return Ok(Some(event)),
            Next::Paused => return Ok(None),
            Next::Closed => bail!("the server has closed the connection"),
            Next::Upgrade(_) => bail!("this client has no TLS"),
            Next::NeedInput => {
                stream.set_read_timeout(machine.timeout())?;
                let mut piece = [0; 4096];
                match stream.read(&mut piece)? {
                    0 => machine.handle_eof(),
                    length => input.extend_from_slice(piece.get(..length).unwrap_or_default()),
                }
            }
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut message = Vec::new();
    std::io::stdin().read_to_end(&mut message)?;
    let mut body = Bytes::from(message);

    let mut stream = TcpStream::connect(&arguments.server)?;
    stream.set_nodelay(true)?;
    let mut config = client::Config::new(EhloName::try_from("localhost")?, Channel::Clear);
    config.bare_newline = mailwire_core::dot::BareNewline::Normalize;
    let mut machine = client::Connection::new(config);
    let mut input = BytesMut::new();
    let mut data = None;
    loop {
        match next_event(&mut stream, &mut machine, &mut input)? {
            Some(client::Event::Greeting { reply, .. }) => println!("S: {reply}"),
            // From here on commands are taken. The three leave in one write.
            Some(client::Event::Capabilities { .. }) => {
                machine.send(Command::Mail(Mail::new(Mailbox::try_from(arguments.from.as_str())?)))?;
                machine.send(Command::Rcpt(Rcpt::new(Mailbox::try_from(arguments.to.as_str())?)))?;
                data = Some(machine.send(Command::Data)?);
            }
            Some(client::Event::BodyRequested { .. }) => {
                while !body.is_empty() {
                    machine.send_body(&mut body)?;
                    next_event(&mut stream, &mut machine, &mut input)?;
                }
                machine.finish_body()?;
            }
            Some(client::Event::Reply { ticket, reply, .. }) => {
                println!("S: {reply}");
                match data {
                    Some(data) if ticket == data && reply.is_positive() => return Ok(()),
                    _ if !reply.is_positive() => bail!("refused: {reply}"),
                    _ => {}
                }
            }
            Some(event) => println!("{event:?}"),
            None => {}
        }
    }
}
