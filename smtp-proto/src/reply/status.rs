//! What enhanced status codes mean: the registry of RFC 5248, a row a code.

use super::{EnhancedCode, Reply, ReplyCode};

/// What an enhanced status code is about: its second number ([RFC 3463 section
/// 2](https://www.rfc-editor.org/rfc/rfc3463#section-2)).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// X.0: nothing that could be named.
    Undefined,
    /// X.1: an address of the envelope.
    Address,
    /// X.2: a mailbox.
    Mailbox,
    /// X.3: the system that the mail is for.
    System,
    /// X.4: the network, and the way through it.
    Network,
    /// X.5: the protocol.
    Protocol,
    /// X.6: the message's content.
    Content,
    /// X.7: security, or policy.
    Security,
}

impl Subject {
    /// The subject of this number.
    #[must_use]
    pub const fn of(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Undefined,
            1 => Self::Address,
            2 => Self::Mailbox,
            3 => Self::System,
            4 => Self::Network,
            5 => Self::Protocol,
            6 => Self::Content,
            7 => Self::Security,
            _ => return None,
        })
    }
}

macro_rules! statuses {
    ($($name:ident = $subject:literal $detail:literal [$($rfc:literal)?] [$($basic:literal)*] $meaning:literal;)*) => {
        /// A registered meaning of an enhanced status code: its subject and its detail, whatever the class
        /// ([RFC 5248](https://www.rfc-editor.org/rfc/rfc5248)).
        ///
        /// A server builds replies of it: [`accept`](Self::accept), [`defer`](Self::defer), [`reject`](Self::reject).
        ///
        /// # Examples
        ///
        /// ```
        /// use mailwire_smtp::EnhancedStatus;
        ///
        /// assert_eq!(EnhancedStatus::UnknownMailbox.reject("No such user here").to_string(), "550 5.1.1 No such user here");
        /// assert_eq!(EnhancedStatus::MailboxFull.defer("Try later").to_string(), "452 4.2.2 Try later");
        ///
        /// let code: mailwire_smtp::EnhancedCode = "5.7.25".parse()?;
        /// assert_eq!(code.status(), Some(EnhancedStatus::ReverseDnsFailed));
        /// assert!(code.is_policy() && !code.is_authentication());
        /// # Ok::<(), mailwire_smtp::Invalid>(())
        /// ```
        #[non_exhaustive]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EnhancedStatus {
            $(
                #[doc = concat!("X.", $subject, ".", $detail, ": ", $meaning,
                    $(" ([RFC ", $rfc, "](https://www.rfc-editor.org/rfc/rfc", $rfc, "))",)? ".")]
                $name,
            )*
        }

        impl EnhancedStatus {
            /// All of them, by their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The status of a subject and a detail, if it is registered.
            #[must_use]
            pub const fn of(subject: u16, detail: u16) -> Option<Self> {
                match (subject, detail) {
                    $(($subject, $detail) => Some(Self::$name),)*
                    _ => None,
                }
            }

            const fn numbers(self) -> (u16, u16) {
                match self {
                    $(Self::$name => ($subject, $detail),)*
                }
            }

            /// What it means, in a few words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }

            /// The number of the RFC that defines it; X.7.28 was registered without one.
            #[must_use]
            pub const fn rfc(self) -> Option<u16> {
                let rfc: &[u16] = match self {
                    $(Self::$name => &[$($rfc)?],)*
                };
                rfc.first().copied()
            }

            /// The reply codes that the registry has it with; there are others.
            #[must_use]
            pub const fn reply_codes(self) -> &'static [u16] {
                match self {
                    $(Self::$name => &[$($basic),*],)*
                }
            }
        }
    };
}

statuses! {
    Undefined = 0 0 [3463] [] "something else";
    Address = 1 0 [3463] [] "something else about an address";
    UnknownMailbox = 1 1 [3463] [451 550] "the recipient's host has no such mailbox";
    UnknownHost = 1 2 [3463] [] "the recipient's host does not exist, or takes no mail";
    RecipientSyntax = 1 3 [3463] [501] "the recipient's address is malformed";
    AmbiguousMailbox = 1 4 [3463] [] "the recipient's address stands for more than one mailbox";
    RecipientValid = 1 5 [3463] [250] "the recipient's address is good";
    MailboxMoved = 1 6 [3463] [] "the recipient has moved, and left no new address";
    SenderSyntax = 1 7 [3463] [] "the sender's address is malformed";
    SenderHost = 1 8 [3463] [451 501] "the sender's host does not exist, or takes no replies";
    LessCapableRelay = 1 9 [3886] [] "the message went on to a server without the extension that was asked for";
    RecipientNullMx = 1 10 [7505] [556] "the recipient's domain says that it takes no mail";
    Mailbox = 2 0 [3463] [] "something else about the mailbox";
    MailboxDisabled = 2 1 [3463] [] "the mailbox exists, and takes no messages";
    MailboxFull = 2 2 [3463] [552] "the mailbox has no room";
    MailboxMessageSize = 2 3 [3463] [552] "the message is larger than the mailbox takes";
    ListExpansion = 2 4 [3463] [450 452] "the mailing list cannot be expanded";
    System = 3 0 [3463] [221 250 421 451 550 554] "something else about the mail system";
    SystemFull = 3 1 [3463] [452] "the mail system has no room";
    SystemClosed = 3 2 [3463] [453] "the host takes no messages now";
    FeatureMissing = 3 3 [3463] [] "the host cannot do what was asked for";
    SystemMessageSize = 3 4 [3463] [552 554] "the message is larger than the host takes";
    SystemMisconfigured = 3 5 [3463] [] "the host is not set up rightly";
    PriorityChanged = 3 6 [6710] [250 251] "the message was taken with another priority";
    Network = 4 0 [3463] [] "something else about the network";
    NoAnswer = 4 1 [3463] [451] "the next host does not answer";
    BadConnection = 4 2 [3463] [421] "the connection failed";
    DirectoryFailure = 4 3 [3463] [451 550] "a directory that routing needs, such as the DNS, did not answer";
    NoRoute = 4 4 [3463] [] "there is no way to the next host";
    Congestion = 4 5 [3463] [451] "the host has too much to do";
    RoutingLoop = 4 6 [3463] [] "the message goes in a circle";
    DeliveryExpired = 4 7 [3463] [] "the message could not be delivered in time";
    Protocol = 5 0 [3463] [220 250 251 252 253 451 452 454 458 459 501 502 503 554] "something else about the protocol";
    InvalidCommand = 5 1 [3463] [430 500 501 503 530 550 554 555] "the command is unknown, or not valid now";
    Syntax = 5 2 [3463] [500 501 502 550 555] "the command is malformed";
    TooManyRecipients = 5 3 [3463] [451] "the message has more recipients than the host takes at once";
    InvalidArguments = 5 4 [3463] [451 501 502 503 504 550 555] "the command's arguments are not valid";
    WrongVersion = 5 5 [3463] [] "the two sides speak different versions of the protocol";
    AuthLineTooLong = 5 6 [4954] [500] "a line of the SASL exchange is longer than the host takes";
    Content = 6 0 [3463] [] "something else about the content";
    MediaUnsupported = 6 1 [3463] [] "the content's type is not supported";
    ConversionProhibited = 6 2 [3463] [] "the content would have to be converted, which was prohibited";
    ConversionUnsupported = 6 3 [3463] [554] "the content would have to be converted, which the host cannot do";
    ConversionWithLoss = 6 4 [3463] [250] "the content was converted, and something was lost";
    ConversionFailed = 6 5 [3463] [] "the content could not be converted";
    ContentUnavailable = 6 6 [4468] [554] "what the message refers to cannot be fetched";
    NonAsciiAddress = 6 7 [6531] [550 553] "an address beyond ASCII is not permitted here";
    Utf8ReplyRequired = 6 8 [6531] [252 550 553] "the answer has more than ASCII, and the client did not permit that";
    Utf8Header = 6 9 [6531] [550] "a header beyond ASCII cannot be taken to a recipient";
    Utf8ReplyRequiredOld = 6 10 [6531] [] "what X.6.8 says, which takes the place of this";
    Security = 7 0 [3463] [220 235 450 454 500 501 503 504 530 535 550] "something else about security or policy";
    NotAuthorized = 7 1 [3463] [451 454 502 503 533 550 551] "the sender may not do this";
    ListExpansionProhibited = 7 2 [3463] [550] "the sender may not write to this mailing list";
    SecurityConversion = 7 3 [3463] [] "the message's protection would have to be converted, which is not possible";
    SecurityUnsupported = 7 4 [3463] [504] "the message's protection is not supported";
    CryptographicFailure = 7 5 [3463] [] "the message could not be verified or decrypted";
    AlgorithmUnsupported = 7 6 [3463] [] "the message's cryptographic algorithm is not supported";
    IntegrityFailure = 7 7 [3463] [] "the message was altered on the way";
    BadCredentials = 7 8 [4954] [535 554] "the credentials are wrong";
    MechanismTooWeak = 7 9 [4954] [534] "the SASL mechanism is too weak for this user";
    EncryptionNeeded = 7 10 [5248] [523] "the host wants encryption first";
    EncryptionForMechanism = 7 11 [4954] [524 538] "the SASL mechanism goes with encryption only";
    PasswordTransition = 7 12 [4954] [422 432] "the user has to log in once by another mechanism";
    AccountDisabled = 7 13 [5248] [525] "the user's account is closed";
    TrustRequired = 7 14 [5248] [535 554] "a host that is needed does not trust this one";
    PriorityTooLow = 7 15 [6710] [450 550] "messages of this priority are not taken now";
    PriorityMessageSize = 7 16 [6710] [552] "the message is too large for its priority";
    MailboxOwnerChanged = 7 17 [7293] [] "the mailbox has another owner than the sender believes";
    DomainOwnerChanged = 7 18 [7293] [] "the domain has another owner than the sender believes";
    OwnerUnknown = 7 19 [7293] [] "the host cannot tell whether the owner has changed";
    NoPassingDkim = 7 20 [7372] [550] "no DKIM signature is valid";
    NoAcceptableDkim = 7 21 [7372] [550] "no DKIM signature is one that the host accepts";
    NoAuthorDkim = 7 22 [7372] [550] "no valid DKIM signature is of the author's domain";
    SpfFailed = 7 23 [7372] [550] "SPF does not permit the client to send for this domain";
    SpfError = 7 24 [7372] [451 550] "SPF could not be checked";
    ReverseDnsFailed = 7 25 [7372] [550] "the client's address has no name that leads back to it";
    SeveralChecksFailed = 7 26 [7372] [550] "more than one check of who sent the message failed";
    SenderNullMx = 7 27 [7505] [550] "the sender's domain says that it takes no mail";
    Flood = 7 28 [] [] "too many messages came in too short a time";
    ArcFailed = 7 29 [8617] [550] "the message's ARC chain is broken";
    RequireTlsUnsupported = 7 30 [8689] [550] "the next host cannot keep what REQUIRETLS asks for";
}

impl EnhancedStatus {
    /// What it is about.
    #[must_use]
    pub const fn subject(self) -> Subject {
        match Subject::of(self.numbers().0) {
            Some(subject) => subject,
            None => Subject::Undefined,
        }
    }

    /// The code of class 2: success.
    #[must_use]
    pub const fn success(self) -> EnhancedCode {
        EnhancedCode::registered(2, self.numbers())
    }

    /// The code of class 4: not now.
    #[must_use]
    pub const fn transient(self) -> EnhancedCode {
        EnhancedCode::registered(4, self.numbers())
    }

    /// The code of class 5: not ever, in this form.
    #[must_use]
    pub const fn permanent(self) -> EnhancedCode {
        EnhancedCode::registered(5, self.numbers())
    }

    /// A reply of 250, with `text` as in [`Reply::new`].
    #[must_use]
    pub fn accept(self, text: &str) -> Reply {
        Reply::with_code(ReplyCode::OK, self.success(), text)
    }

    /// A reply of 4yz, with `text` as in [`Reply::new`]: the code is the registry's where that has one, otherwise
    /// 452 where room or recipients are concerned, and 451. Never 421, which would end the session.
    #[must_use]
    pub fn defer(self, text: &str) -> Reply {
        let code = match self {
            Self::MailboxFull | Self::TooManyRecipients => ReplyCode::INSUFFICIENT_STORAGE,
            _ => self.reply_code(4, ReplyCode::LOCAL_ERROR),
        };
        Reply::with_code(code, self.transient(), text)
    }

    /// A reply of 5yz, with `text` as in [`Reply::new`]: the code is the registry's where that has one, otherwise
    /// 550 for what is about an address or a mailbox, and 554.
    #[must_use]
    pub fn reject(self, text: &str) -> Reply {
        let mailbox = matches!(self.subject(), Subject::Address | Subject::Mailbox);
        let otherwise = if mailbox { ReplyCode::MAILBOX_UNAVAILABLE } else { ReplyCode::FAILED };
        Reply::with_code(self.reply_code(5, otherwise), self.permanent(), text)
    }

    /// A registered reply code of a class. Of several, 550 is what people expect, but for mistakes of the protocol.
    fn reply_code(self, class: u16, otherwise: ReplyCode) -> ReplyCode {
        let fits = |code: &&u16| **code / 100 == class && **code != ReplyCode::UNAVAILABLE.get();
        let usual = ReplyCode::MAILBOX_UNAVAILABLE.get();
        if class == 5 && self.subject() != Subject::Protocol && self.reply_codes().contains(&usual) {
            return ReplyCode::MAILBOX_UNAVAILABLE;
        }
        self.reply_codes().iter().find(fits).and_then(|&code| ReplyCode::new(code)).unwrap_or(otherwise)
    }
}
