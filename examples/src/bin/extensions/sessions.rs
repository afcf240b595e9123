//! Logins, and what holds for a whole session.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use mailwire_transport::{
    Error,
    imap::{Capability, Client, Config, FetchAtt, LoginMechanism, SearchKey, UidSet, proto::types::Section},
    sasl::Mechanism,
};

use crate::{
    AS_EXPECTED, NOT_USED, NOTHING_TO_DO,
    tour::{MESSAGES, Tour, same},
};

/// It is logged in: the mailbox is there.
async fn finds_all(tour: &Tour<'_>, mut client: Client) -> Result<&'static str> {
    client.select(&tour.mailbox).await?;
    let found = client.uid_search([SearchKey::All]).await?;
    same("messages", &found.len(), &(MESSAGES.len() as u64))?;
    client.logout().await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn login(tour: &mut Tour<'_>, mechanism: &str) -> Result<&'static str> {
    let mut config = tour.config()?;
    let mechanism: Mechanism = mechanism.parse()?;
    config.mechanism = Some(LoginMechanism::Sasl(mechanism));
    match tour.connect_with(config).await {
        Ok(client) => finds_all(tour, client).await,
        // It is not one for this kind of credentials, or binds to what this kind of TLS does not have.
        Err(error) if matches!(error.downcast_ref(), Some(Error::Misuse(_))) => Ok(NOT_USED),
        Err(error) => Err(error),
    }
}

pub(crate) async fn initial_response(tour: &mut Tour<'_>) -> Result<&'static str> {
    for initial in [true, false] {
        let mut config = tour.config()?;
        config.initial_response = initial;
        let client = tour.connect_with(config).await?;
        finds_all(tour, client).await?;
    }
    Ok(AS_EXPECTED)
}

/// LOGIN is not tried.
pub(crate) async fn login_disabled(tour: &mut Tour<'_>) -> Result<&'static str> {
    let before = tour.connect_with(Config::anonymous()).await?;
    if !before.has(&Capability::LoginDisabled) {
        return Ok(NOTHING_TO_DO);
    }
    let mut config = tour.config()?;
    config.mechanism = Some(LoginMechanism::Login);
    let refused = tour.connect_with(config).await.err().context("LOGIN was tried")?;
    ensure!(matches!(refused.downcast_ref(), Some(Error::Misuse(_))), "{refused:#}");
    Ok(AS_EXPECTED)
}

pub(crate) async fn compress(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    client.compress().await?;
    ensure!(client.is_compressed(), "it is not compressed");
    client.select(&tour.mailbox).await?;
    let whole = FetchAtt::BodySection { section: Section::WHOLE, partial: None, peek: true };
    let mut messages = client.uid_fetch(UidSet::all(), [whole]).await?;
    let mut came = Vec::new();
    while let Some(message) = messages.next().await? {
        came.extend(message.body());
    }
    drop(messages);
    same("messages", &came, &MESSAGES.map(|(_, message)| Bytes::from(message)).to_vec())?;
    client.logout().await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn enable(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let wanted = [Capability::CondStore, Capability::QResync, Capability::Utf8Accept];
    let wanted: Vec<_> = wanted.into_iter().filter(|it| client.has(it)).collect();
    let enabled = client.enable(wanted.clone()).await?;
    ensure!(wanted.iter().all(|it| enabled.contains(it)), "{enabled:?} are enabled, not {wanted:?}");
    finds_all(tour, client).await
}

pub(crate) async fn id(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let told = client.id(&[("name", "mailwire"), ("version", env!("CARGO_PKG_VERSION"))]).await?;
    let name = told.iter().find(|(field, _)| field.as_bytes().eq_ignore_ascii_case(b"name"));
    ensure!(name.is_some_and(|(_, name)| name.is_some()), "no name: {told:?}");
    Ok(AS_EXPECTED)
}

pub(crate) async fn language(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let languages = client.languages().await?;
    ensure!(!languages.is_empty(), "there are none");
    client.choose_language(&["default"]).await?;
    finds_all(tour, client).await
}

pub(crate) async fn unauthenticate(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    client.unauthenticate().await?;
    ensure!(client.select(&tour.mailbox).await.is_err(), "it is still logged in");
    client.log_in(&tour.config()?).await?;
    finds_all(tour, client).await
}
