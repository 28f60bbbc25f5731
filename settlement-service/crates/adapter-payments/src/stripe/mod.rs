//! Stripe's API as a payment gateway: `PaymentIntents` with manual capture, refunds, and transfers to connected accounts.
//!
//! | instruction | call | leaves its key in | is found again by |
//! |---|---|---|---|
//! | authorize | `POST /v1/payment_intents`, confirmed | the intent's metadata | the charges of the transfer group |
//! | capture | `POST /v1/payment_intents/{id}/capture` | the intent's metadata | the intent |
//! | void | `POST /v1/payment_intents/{id}/cancel` | – | the intent: it is cancelled or not |
//! | refund | `POST /v1/refunds` | the refund's metadata | the refunds of the intent |
//! | pay out | `POST /v1/transfers` | the transfer's metadata | the transfers of the transfer group |
//!
//! **Our key is Stripe's `Idempotency-Key`.** Stripe keeps those for 24 hours and has no lookup by them, so what became
//! of a call is read from the objects that calls make, which stay for ever and are read as they are written (unlike
//! Stripe's search, which lags and is not used). Who finds nothing sends again by the same key. That is safe: within 24
//! hours Stripe answers the key as before, and later whatever the first request made has long been there to be found.
//! A server error is kept by Stripe like an answer: such a key stays unknown until Stripe forgets it, then is sent anew.
//!
//! A refusal of a capture, void or refund is only believed once the object says, too, that it was not done.
//!
//! What Stripe moved is listed for reconciliation by [`statement`].

mod accounts;
mod amount;
mod client;
mod error;
mod form;
mod objects;
mod statement;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use secrecy::SecretString;
use settlement_domain::money::Unit;
use settlement_domain::{Answer, CallKey, Currency, Decline, GatewayRef, Instruction, Money, UserId};
use settlement_ports::{GatewayResult, Lookup, PaymentGateway};

use self::accounts::Accounts;
pub(crate) use self::amount::{from_stripe, to_stripe};
use self::client::{Client, Failure};
pub use self::client::{Credentials, STRIPE_VERSION};
pub(crate) use self::error::StripeError;
use self::form::{Form, terms};
use self::objects::{Charge, Intent, Refund, Transfer};

/// Where the key of the call that made an object is, in its metadata.
pub(crate) const CALL: &str = "outcry_call";
/// Where the key of the call that captured an intent is.
pub(crate) const CAPTURE: &str = "outcry_capture";
/// What the call was for, in words: the same key with other words is another instruction.
const TERMS: &str = "outcry_terms";

/// How to reach Stripe.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// `https://api.stripe.com`, or a stand-in for tests; without a path.
    pub url: String,
    /// The secret or restricted key.
    pub key: SecretString,
    /// A JSON object: the connected account (`acct_…`) of each seller by the `sub` of the seller's token. It is read
    /// again when it changes.
    pub accounts_file: PathBuf,
}

/// The gateway.
pub struct StripeGateway {
    client: Client,
    accounts: Accounts,
}

impl StripeGateway {
    /// Reaches nobody yet.
    ///
    /// # Errors
    /// An HTTP client that cannot be made: no usable root certificates.
    pub fn new(config: StripeConfig) -> Result<Self, reqwest::Error> {
        Ok(Self { client: Client::new(&config.url, &config.key)?, accounts: Accounts::new(config.accounts_file) })
    }

    /// Of what amounts have to be multiples; of currencies that are not named here it takes each minor unit.
    #[must_use]
    pub fn units() -> BTreeMap<Currency, Unit> {
        amount::units()
    }

    /// What is known of the key.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.client.credentials()
    }

    /// Asks something harmless, so that it shows whether the key is good.
    pub async fn try_credentials(&self) {
        let _told = self.client.get::<objects::Any>("/v1/balance", &[]).await;
    }

    async fn tell(&self, key: &CallKey, instruction: &Instruction) -> Result<Answer, Failure> {
        match instruction {
            Instruction::Authorize { amount, method } => {
                let form = Form::default()
                    .money(*amount)?
                    .add("payment_method", method.as_str())
                    .add("payment_method_types[]", "card")
                    .add("capture_method", "manual")
                    .add("confirm", "true")
                    // Nobody is there who could be shown the bank's page: what needs one is declined.
                    .add("error_on_requires_action", "true")
                    .add("transfer_group", key.group())
                    .metadata(CALL, key.as_str())
                    .metadata(TERMS, &terms(instruction));
                self.client.post::<Intent>("/v1/payment_intents", key, form).await?.authorized()
            }
            Instruction::Capture { hold, amount } => {
                let form = Form::default().amount("amount_to_capture", *amount)?.metadata(CAPTURE, key.as_str());
                self.client.post::<Intent>(&intent(hold, "/capture")?, key, form).await?.captured()
            }
            Instruction::Void { hold } => {
                self.client.post::<Intent>(&intent(hold, "/cancel")?, key, Form::default()).await?.cancelled()
            }
            Instruction::Refund { charge, amount } => {
                let form = Form::default()
                    .add("payment_intent", charge.as_str())
                    .amount("amount", *amount)?
                    .metadata(CALL, key.as_str())
                    .metadata(TERMS, &terms(instruction));
                self.client.post::<Refund>("/v1/refunds", key, form).await?.answer()
            }
            Instruction::PayOut { seller, amount } => self.pay_out(key, instruction, seller, *amount).await,
        }
    }

    async fn pay_out(
        &self,
        key: &CallKey,
        instruction: &Instruction,
        seller: &UserId,
        amount: Money,
    ) -> Result<Answer, Failure> {
        let Some(account) = self.accounts.of(seller).await.map_err(|error| {
            tracing::error!(%error, "the sellers' accounts cannot be read; payouts wait");
            Failure::Unavailable
        })?
        else {
            return Ok(declined("no_connected_account", "The seller has no connected account to be paid to."));
        };
        let form = Form::default()
            .money(amount)?
            .add("destination", &account)
            .add("transfer_group", key.group())
            .metadata(CALL, key.as_str())
            .metadata(TERMS, &terms(instruction));
        Ok(self.client.post::<Transfer>("/v1/transfers", key, form).await?.answer())
    }

    /// What an instruction under a key came to, by the objects. None: it had no effect so far.
    async fn find(&self, key: &CallKey, instruction: &Instruction) -> Result<Option<Answer>, Failure> {
        let terms = terms(instruction);
        let group = ("transfer_group", key.group());
        match instruction {
            Instruction::Authorize { .. } => {
                let query = [group, ("expand[]", "data.payment_intent")];
                let charge = self.client.find("/v1/charges", &query, |charge: &Charge| charge.is_by(key)).await?;
                charge.map(|charge| charge.authorized(&terms)).transpose()
            }
            Instruction::Capture { hold, .. } => {
                Ok(self.intent(hold).await?.filter(|intent| intent.is_captured_by(key)).map(Intent::into_success))
            }
            Instruction::Void { hold } => {
                Ok(self.intent(hold).await?.filter(Intent::is_cancelled).map(Intent::into_success))
            }
            Instruction::Refund { charge, .. } => {
                let query = [("payment_intent", charge.as_str())];
                let refund = self.client.find("/v1/refunds", &query, |refund: &Refund| refund.is_by(key)).await?;
                refund.map(|refund| refund.found(&terms)).transpose()
            }
            Instruction::PayOut { .. } => {
                let transfer = self.client.find("/v1/transfers", &[group], |one: &Transfer| one.is_by(key)).await?;
                Ok(transfer.map(|transfer| transfer.found(&terms)))
            }
        }
    }

    /// An intent; none by a reference that Stripe does not know.
    async fn intent(&self, reference: &GatewayRef) -> Result<Option<Intent>, Failure> {
        match self.client.get(&intent(reference, "")?, &[]).await {
            Ok(intent) => Ok(Some(intent)),
            Err(Failure::Refused(error)) if error.is_missing() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A refusal counts once the objects say so, too: the key may be one that Stripe has forgotten, of a call that had
    /// its effect; and what was to be let go may be gone.
    async fn refused(&self, key: &CallKey, instruction: &Instruction, decline: Decline) -> GatewayResult {
        if decline.is_of_amount() {
            tracing::warn!(%key, reason = %decline.message, "Stripe takes no such amount");
        }
        let leaves_a_trace = !matches!(instruction, Instruction::Authorize { .. });
        let done = if leaves_a_trace { self.find(key, instruction).await } else { Ok(None) };
        match done {
            Ok(Some(answer)) => GatewayResult::Answered(answer),
            Ok(None) | Err(Failure::Refused(_)) => GatewayResult::Answered(Answer::Declined(decline)),
            Err(_) => GatewayResult::Unknown,
        }
    }

    /// Another request was sent under this key. If it was the same instruction in other words (those of another version
    /// of this program), its effect is the answer.
    async fn reused(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        match self.find(key, instruction).await {
            Ok(Some(answer)) => GatewayResult::Answered(answer),
            Ok(None) | Err(Failure::Refused(_)) => GatewayResult::Answered(reused()),
            Err(_) => GatewayResult::Unknown,
        }
    }
}

#[async_trait]
impl PaymentGateway for StripeGateway {
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        match self.tell(key, instruction).await {
            Ok(answer) => GatewayResult::Answered(answer),
            Err(Failure::Refused(error)) => self.refused(key, instruction, error.decline()).await,
            Err(Failure::KeyReused) => self.reused(key, instruction).await,
            Err(Failure::Unknown) => GatewayResult::Unknown,
            Err(Failure::Unavailable) => GatewayResult::Unavailable,
        }
    }

    async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup {
        match self.find(key, instruction).await {
            Ok(Some(answer)) => Lookup::Answered(answer),
            // What Stripe does not know had no effect.
            Ok(None) => Lookup::Absent,
            Err(Failure::Refused(error)) if error.is_missing() => Lookup::Absent,
            Err(_) => Lookup::Unavailable,
        }
    }
}

/// The path of an intent. A reference comes from Stripe by way of the store; what has not the shape of one is not known.
fn intent(reference: &GatewayRef, action: &str) -> Result<String, Failure> {
    path_of("/v1/payment_intents", reference, action)
}

fn path_of(list: &str, reference: &GatewayRef, action: &str) -> Result<String, Failure> {
    let id = reference.as_str();
    let fits = (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits { Ok(format!("{list}/{id}{action}")) } else { Err(Failure::Refused(Box::new(StripeError::missing()))) }
}

fn declined(code: &str, message: &str) -> Answer {
    Answer::Declined(Decline { code: code.to_owned(), message: message.to_owned() })
}

fn reused() -> Answer {
    declined("idempotency_key_reused", "This key was used for another instruction.")
}
