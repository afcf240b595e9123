//! What the IMAP client gives of messages for people.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod peer;

use mailwire_transport::{
    Error, Result, charset_text,
    imap::{
        Client, Config, FetchAtt,
        proto::{reading, types::Uid},
    },
};
use peer::{endpoint, with};

fn seven() -> Uid {
    Uid::new(7).unwrap()
}

/// Runs a client that has selected a mailbox of a server with these capabilities.
async fn selected(capabilities: &str, script: &str, run: impl AsyncFnOnce(&mut Client) -> Result<()>) {
    let script = format!(
        "S: * PREAUTH [CAPABILITY IMAP4rev1 {capabilities}] ready
        C:~ SELECT INBOX
        S: * 1 EXISTS
        S: ~ OK [READ-WRITE] done
        {script}"
    );
    let result = with(&script, async |stream| {
        let mut client = Client::over(stream, endpoint(), Config::anonymous()).await?;
        client.select("INBOX").await?;
        run(&mut client).await
    });
    result.await.unwrap();
}

const STRUCTURE: &str = "C:~ UID FETCH 7 (ENVELOPE BODYSTRUCTURE)
    S+ * 1 FETCH (UID 7 ENVELOPE (NIL \"=?koi8-r?B?7cnS?= =?utf-8?q?=C3=BC?=\" NIL NIL NIL NIL NIL NIL NIL NIL) BODYSTRUCTURE (
    S+ (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"koi8-r\") NIL NIL \"QUOTED-PRINTABLE\" 9 1)
    S+ (\"APPLICATION\" \"PDF\" NIL NIL NIL \"BASE64\" 9 NIL (\"ATTACHMENT\" (\"FILENAME*\" \"koi8-r''%ED%C9%D2.pdf\")))
    S: (\"APPLICATION\" \"X\" NIL NIL NIL \"x-uuencode\" 9) \"MIXED\"))
    S: ~ OK done";

/// Downloads all parts.
async fn downloaded(client: &mut Client) -> Result<Vec<(String, bool)>> {
    let mut messages = client.uid_fetch(seven(), [FetchAtt::Envelope, FetchAtt::BodyStructure]).await?;
    let message = messages.next().await?.unwrap();
    assert!(messages.next().await?.is_none());
    assert_eq!(message.decoded_subject().as_deref(), Some("Мирü"));
    let mut parts = Vec::new();
    for part in message.body_structure().unwrap().parts() {
        let download = client.download(seven(), &part).await?.unwrap();
        let decoded = download.is_decoded();
        let bytes = download.bytes(100).await?;
        let text = reading::decode_text_with(part.charset(), &bytes, &charset_text).into_owned();
        parts.push((text, decoded));
    }
    let contents = message.body_structure().unwrap().contents();
    let names: Vec<_> = contents.attachments.iter().map(|part| part.file_name_with(&charset_text)).collect();
    assert_eq!(names, [Some("Мир.pdf".to_owned()), None]);
    Ok(parts)
}

fn expected() -> Vec<(String, bool)> {
    vec![("Мир мой".into(), true), ("%PDF".into(), true), ("begin 644 x".into(), false)]
}

#[tokio::test]
async fn parts_are_decoded_here() {
    let script = format!(
        "{STRUCTURE}
        C:~ UID FETCH 7 BODY.PEEK[1]
        S: * 1 FETCH (UID 7 BODY[1] {{26}}
        S: =ED=C9=D2=20=
        S: =CD=CF=CA
        S: )
        S: ~ OK done
        C:~ UID FETCH 7 BODY.PEEK[2]
        S: * 1 FETCH (UID 7 BODY[2] \"JVBERg==\")
        S: ~ OK done
        C:~ UID FETCH 7 BODY.PEEK[3]
        S: * 1 FETCH (UID 7 BODY[3] \"begin 644 x\")
        S: ~ OK done"
    );
    selected("", &script, async |client| {
        let mut wanted = expected();
        wanted[0].0 += "\r\n";
        assert_eq!(downloaded(client).await?, wanted);
        Ok(())
    })
    .await;
}

/// What the server cannot decode it gives as it is.
#[tokio::test]
async fn parts_are_decoded_by_the_server() {
    let script = format!(
        "{STRUCTURE}
        C:~ UID FETCH 7 BINARY.PEEK[1]
        S: * 1 FETCH (UID 7 BINARY[1] \"TEXT\")
        S: ~ OK done
        C:~ UID FETCH 7 BINARY.PEEK[2]
        S: ~ NO [UNKNOWN-CTE] it is broken
        C:~ UID FETCH 7 BODY.PEEK[2]
        S: * 1 FETCH (UID 7 BODY[2] \"JVBERg==\")
        S: ~ OK done
        C:~ UID FETCH 7 BINARY.PEEK[3]
        S: ~ NO [UNKNOWN-CTE] what is that
        C:~ UID FETCH 7 BODY.PEEK[3]
        S: * 1 FETCH (UID 7 BODY[3] \"begin 644 x\")
        S: ~ OK done"
    );
    selected("BINARY", &script, async |client| {
        let mut wanted = expected();
        wanted[0].0 = "TEXT".into();
        assert_eq!(downloaded(client).await?, wanted);
        Ok(())
    })
    .await;
}

/// A refusal is one, and a part that is larger than was agreed on, too.
#[tokio::test]
async fn downloads_that_fail() {
    let script = "C:~ UID FETCH 7 BODYSTRUCTURE
        S: * 1 FETCH (UID 7 BODYSTRUCTURE (\"APPLICATION\" \"PDF\" NIL NIL NIL \"BASE64\" 9))
        S: ~ OK done
        C:~ UID FETCH 7 BODY.PEEK[1]
        S: ~ NO [EXPUNGEISSUED] gone
        C:~ UID FETCH 7 BODY.PEEK[1]
        S: ~ OK there is none
        C:~ UID FETCH 7 BODY.PEEK[1]
        S: * 1 FETCH (UID 7 BODY[1] \"JVBERg==\")
        S: ~ OK done";
    selected("", script, async |client| {
        let mut messages = client.uid_fetch(seven(), [FetchAtt::BodyStructure]).await?;
        let message = messages.next().await?.unwrap();
        assert!(messages.next().await?.is_none());
        let part = message.body_structure().unwrap().parts().next().unwrap();
        assert!(client.download(seven(), &part).await.unwrap_err().refused().is_some());
        assert!(client.download(seven(), &part).await?.is_none());
        let large = client.download(seven(), &part).await?.unwrap().bytes(3).await;
        assert!(matches!(large, Err(Error::Protocol { .. })), "{large:?}");
        Ok(())
    })
    .await;
}
