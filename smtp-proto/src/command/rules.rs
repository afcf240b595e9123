//! What each command is: one row a command.

use mailwire_core::keywords;

use super::{Command, Mail, Rcpt};
use crate::{
    capability::{Extension, ExtensionSet},
    extensions::{MailParameters, RcptParameters},
    state::State,
    types::BodyType,
};

/// What a command is, whoever sends or receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The extension that a server must offer, if the base protocol does not have the command.
    pub(crate) needs: Option<Extension>,
    /// The states that it is valid in. A client sends commands before those before them are answered,
    /// so a server alone looks at this for the commands of a transaction.
    pub(crate) valid_in: ValidIn,
    /// Whether another command may follow in the same group (RFC 2920 section 3.1).
    pub(crate) groups: bool,
    /// Whether it may come before STARTTLS where TLS is required (RFC 3207 section 4).
    pub(crate) before_tls: bool,
    /// Whether it leads nowhere, so that a client that sends many has another aim than mail.
    pub(crate) idle: bool,
    /// What its success changes.
    pub(crate) effect: Effect,
}

/// The states that a command is valid in (RFC 5321 section 4.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValidIn {
    Any,
    /// The client has introduced itself.
    Introduced,
    /// It has, and no transaction is under way.
    Ready,
    /// A transaction is under way, and no part of the message was sent.
    Transaction,
    /// It has a recipient, and no part of the message was sent.
    Recipients,
    /// It has a recipient.
    Chunk,
}

/// Why a command is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutOfOrder {
    NotIntroduced,
    InTransaction,
    NoTransaction,
    NoRecipients,
    /// A part of the message was sent.
    InMessage,
}

/// What the success of a command changes in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    /// EHLO and LHLO.
    Ehlo,
    Helo,
    StartTls,
    /// The roles change, and this conversation is over.
    Atrn,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Reset,
    Quit,
    /// The session begins anew, for another client.
    Xclient,
}

keywords! {
    /// The commands that are known here.
    pub(crate) enum Name of Command except Other {
        Atrn = "ATRN",
        Auth = "AUTH",
        Bdat = "BDAT",
        Burl = "BURL",
        ClientId = "CLIENTID",
        Data = "DATA",
        Ehlo = "EHLO",
        Etrn = "ETRN",
        Expn = "EXPN",
        Helo = "HELO",
        Help = "HELP",
        Lhlo = "LHLO",
        Mail = "MAIL",
        Noop = "NOOP",
        Onex = "ONEX",
        Quit = "QUIT",
        Rcpt = "RCPT",
        Rset = "RSET",
        StartTls = "STARTTLS",
        Verb = "VERB",
        Vrfy = "VRFY",
        Xclient = "XCLIENT",
        Xforward = "XFORWARD",
    }
}

keywords! {
    /// Commands that are not known here, and after which the bytes or the session mean something else: a
    /// part of a message follows, a transaction begins, the roles change. A client does not send them
    /// raw, a server does not hand them on (502). SEND, SOML, SAML and TURN are of RFC 821, and were given up by RFC 2821
    /// appendix F.
    pub(crate) enum Foreign {
        Saml = "SAML",
        Send = "SEND",
        Soml = "SOML",
        Turn = "TURN",
        Xanonymoustls = "X-ANONYMOUSTLS",
        Xexch50 = "XEXCH50",
        Xexps = "X-EXPS",
    }
}

impl Name {
    /// The table: a row a command.
    pub(crate) const fn rules(self) -> Rules {
        match self {
            Name::Ehlo | Name::Lhlo => any().before_tls().idle().does(Effect::Ehlo),
            Name::Helo => any().before_tls().idle().does(Effect::Helo),
            Name::StartTls => {
                row(ValidIn::Introduced).needs(Extension::StartTls).before_tls().does(Effect::StartTls)
            }
            Name::Auth => row(ValidIn::Ready).needs(Extension::Auth).does(Effect::Auth),
            Name::Mail => row(ValidIn::Ready).groups().idle().does(Effect::Mail),
            Name::Rcpt => row(ValidIn::Transaction).groups().does(Effect::Rcpt),
            Name::Data => row(ValidIn::Recipients).does(Effect::Data),
            // RFC 3030 section 4.2 has several in a group.
            Name::Bdat => row(ValidIn::Chunk).needs(Extension::Chunking).groups().does(Effect::Bdat),
            // RFC 4468 section 3.2.
            Name::Burl => row(ValidIn::Chunk).needs(Extension::Burl).groups().does(Effect::Bdat),
            Name::Rset => any().groups().idle().does(Effect::Reset),
            Name::Noop => any().before_tls().idle(),
            Name::Vrfy | Name::Expn | Name::Help => any().idle(),
            Name::Atrn => row(ValidIn::Ready).needs(Extension::Atrn).does(Effect::Atrn),
            Name::ClientId => row(ValidIn::Ready).needs(Extension::ClientId).idle(),
            Name::Etrn => row(ValidIn::Ready).needs(Extension::Etrn).idle(),
            Name::Onex => any().needs(Extension::Onex).idle(),
            Name::Verb => any().needs(Extension::Verb).idle(),
            Name::Xclient => row(ValidIn::Ready).needs(Extension::Xclient).idle().does(Effect::Xclient),
            Name::Xforward => row(ValidIn::Ready).needs(Extension::Xforward).idle(),
            Name::Quit => any().before_tls().does(Effect::Quit),
        }
    }
}

impl Command {
    /// The row of this command.
    pub(crate) const fn rules(&self) -> Rules {
        match Name::of_value(self) {
            Some(name) => name.rules(),
            None => any(),
        }
    }

    /// The extensions that the parameters of this command need, beside what the row says.
    pub(crate) fn option_needs(&self) -> ExtensionSet {
        match self {
            Command::Mail(mail) => mail.needs(),
            Command::Rcpt(rcpt) => rcpt.needs(),
            Command::Vrfy(query) | Command::Expn(query) => {
                ExtensionSet::NONE.with_if(query.smtp_utf8, Extension::SmtpUtf8)
            }
            _ => ExtensionSet::NONE,
        }
    }
}

impl Mail {
    /// The extensions that its parameters need.
    pub(crate) fn needs(&self) -> ExtensionSet {
        let binary = self.body == Some(BodyType::BinaryMime);
        self.rare
            .get()
            .map_or(ExtensionSet::NONE, MailParameters::needs)
            .with_if(self.body.is_some() && !binary, Extension::EightBitMime)
            .with_if(binary, Extension::BinaryMime)
            .with_if(self.smtp_utf8, Extension::SmtpUtf8)
            .with_if(self.size.is_some(), Extension::Size)
            .with_if(self.auth.is_some(), Extension::Auth)
    }
}

impl Rcpt {
    /// The extensions that its parameters need.
    pub(crate) fn needs(&self) -> ExtensionSet {
        self.rare.get().map_or(ExtensionSet::NONE, RcptParameters::needs)
    }
}

/// A row with what most commands are.
const fn row(valid_in: ValidIn) -> Rules {
    Rules { needs: None, valid_in, groups: false, before_tls: false, idle: false, effect: Effect::Nothing }
}

const fn any() -> Rules {
    row(ValidIn::Any)
}

impl Rules {
    const fn needs(mut self, extension: Extension) -> Self {
        self.needs = Some(extension);
        self
    }

    const fn groups(mut self) -> Self {
        self.groups = true;
        self
    }

    const fn before_tls(mut self) -> Self {
        self.before_tls = true;
        self
    }

    const fn idle(mut self) -> Self {
        self.idle = true;
        self
    }

    const fn does(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

impl ValidIn {
    /// # Errors
    ///
    /// Why it is not valid in this state.
    pub(crate) const fn check(self, state: State) -> Result<(), OutOfOrder> {
        match (self, state) {
            (ValidIn::Any, _) => Ok(()),
            (ValidIn::Introduced | ValidIn::Ready, State::Connected) => Err(OutOfOrder::NotIntroduced),
            (ValidIn::Ready, state) if state.is_in_transaction() => Err(OutOfOrder::InTransaction),
            (ValidIn::Introduced | ValidIn::Ready, _) => Ok(()),
            (_, State::Connected | State::Ready) => Err(OutOfOrder::NoTransaction),
            (ValidIn::Recipients | ValidIn::Chunk, State::Sender) => Err(OutOfOrder::NoRecipients),
            (ValidIn::Transaction | ValidIn::Recipients, State::Message) => Err(OutOfOrder::InMessage),
            (ValidIn::Transaction | ValidIn::Recipients | ValidIn::Chunk, _) => Ok(()),
        }
    }
}

impl Effect {
    /// The state after the success of a command with this effect. That of DATA is 354.
    pub(crate) const fn after(self, state: State) -> State {
        match self {
            Effect::Ehlo | Effect::Helo => State::Ready,
            Effect::Mail => State::Sender,
            // A recipient whose MAIL was refused has no transaction, whatever is said to it.
            Effect::Rcpt if state.is_in_transaction() => State::Recipients,
            Effect::Data | Effect::Bdat => State::Message,
            Effect::Reset => state.reset(),
            Effect::StartTls | Effect::Xclient => State::Connected,
            Effect::Nothing | Effect::Atrn | Effect::Auth | Effect::Rcpt | Effect::Quit => state,
        }
    }

    /// What a reply is waited for, in words.
    pub(crate) const fn waiting_for(self) -> &'static str {
        match self {
            Effect::Ehlo | Effect::Helo => "the reply to EHLO",
            Effect::StartTls => "the reply to STARTTLS",
            Effect::Mail => "the reply to MAIL",
            Effect::Rcpt => "the reply to RCPT",
            Effect::Reset => "the reply to RSET",
            Effect::Data => "the reply to DATA",
            Effect::Bdat => "the reply to BDAT",
            Effect::Atrn => "the reply to ATRN",
            Effect::Auth => "the reply to AUTH",
            Effect::Quit => "the reply to QUIT",
            Effect::Xclient => "the reply to XCLIENT",
            Effect::Nothing => "the reply to a command",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands that may stand before others in a group, and that end one: RFC 2920 section 3.1.
    #[test]
    fn groups() {
        let grouping: alloc::vec::Vec<_> = Name::ALL.into_iter().filter(|name| name.rules().groups).collect();
        assert_eq!(grouping, [Name::Bdat, Name::Burl, Name::Mail, Name::Rcpt, Name::Rset]);
    }

    /// RFC 3207 section 4: NOOP, EHLO, STARTTLS and QUIT.
    #[test]
    fn before_tls() {
        let names: alloc::vec::Vec<_> =
            Name::ALL.into_iter().filter(|name| name.rules().before_tls).collect();
        assert_eq!(names, [Name::Ehlo, Name::Helo, Name::Lhlo, Name::Noop, Name::Quit, Name::StartTls]);
    }
}
