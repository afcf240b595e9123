//! Reads how many messages are unseen, with a token that is asked for at each login: `oauth imaps://mail.example.org ada@example.org`.
use mailwire_transport::{Account, imap::*, sasl::*};

/// Where tokens come from: here from the environment, elsewhere by a request with a refresh token.
async fn token(user: String, request: CredentialsRequest) -> Result<Credentials, NoCredentials> {
    let name = if request.refused.is_some() { "NEW_TOKEN" } else { "TOKEN" };
    let token = std::env::var(name).map_err(|_| NoCredentials::new("there is no token"))?;
    Ok(Credentials::token(user, token))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, user] = [1, 2].map(|at| std::env::args().nth(at).unwrap_or_default());
    let credentials = Credentials::provided(move |request| token(user.clone(), request));
    let account = Account::parse(&url)?.with_credentials(credentials);
    let mut client = Client::connect_to(account).await?;
    client.select("INBOX").await?;
    println!("{} unseen", client.uid_search([SearchKey::Unseen]).await?.len());
    Ok(client.logout().await?)
}
