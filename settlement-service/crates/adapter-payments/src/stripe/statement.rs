//! Stripe's lists of what it moved: captured charges, refunds and transfers, by the moment they were made.
//!
//! A charge is made when money is held, so a list of charges from a moment on lacks what was held before and captured
//! after: see the port's promise, which is about beginnings. Chargebacks and Stripe's own fees are no movements of ours.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use settlement_domain::{CallKey, GatewayRef, Money, Movement, MovementKind};
use settlement_ports::{GatewayStatement, StatementError, StatementPage};

use super::client::{Failure, Listed};
use super::{CALL, CAPTURE, StripeGateway, amount, path_of};

type Metadata = HashMap<String, String>;

/// A charge as it is listed, with its intent.
#[derive(Debug, Deserialize)]
struct ListedCharge {
    id: String,
    status: String,
    #[serde(default)]
    captured: bool,
    amount_captured: Option<i64>,
    currency: String,
    created: i64,
    payment_intent: Option<Expanded>,
}

/// An intent that was asked for by its id, or came along.
#[derive(Debug, Deserialize)]
struct ChargedIntent {
    id: String,
    status: String,
    amount_received: Option<i64>,
    currency: String,
    created: i64,
    #[serde(default)]
    metadata: Metadata,
}

/// An intent that came along, or its id alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expanded {
    Intent(Box<ChargedIntent>),
    Id(String),
}

#[derive(Debug, Deserialize)]
struct ListedRefund {
    id: String,
    status: Option<String>,
    amount: i64,
    currency: String,
    created: i64,
    #[serde(default)]
    metadata: Metadata,
    payment_intent: Option<Expanded>,
    charge: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ListedTransfer {
    id: String,
    amount: i64,
    #[serde(default)]
    amount_reversed: i64,
    currency: String,
    created: i64,
    #[serde(default)]
    metadata: Metadata,
}

/// What an object tells of, if money moved.
trait Moved: Listed {
    fn movement(&self) -> Result<Option<Movement>, StatementError>;
}

impl Expanded {
    fn id(&self) -> &str {
        match self {
            Self::Intent(intent) => &intent.id,
            Self::Id(id) => id,
        }
    }

    fn key(&self) -> Option<CallKey> {
        match self {
            Self::Intent(intent) => intent.key(),
            Self::Id(_) => None,
        }
    }
}

impl ChargedIntent {
    /// Of the call that captured it, or else of the one that authorized it.
    fn key(&self) -> Option<CallKey> {
        key(&self.metadata, CAPTURE).or_else(|| key(&self.metadata, CALL))
    }

    fn movement(&self) -> Result<Option<Movement>, StatementError> {
        let received = self.amount_received.filter(|received| *received > 0 && self.status == "succeeded");
        let Some(received) = received else { return Ok(None) };
        movement(MovementKind::Charge, &self.id, self.key(), (received, &self.currency), self.created)
    }
}

impl Moved for ListedCharge {
    fn movement(&self) -> Result<Option<Movement>, StatementError> {
        let captured = self.amount_captured.filter(|amount| *amount > 0);
        let Some(captured) = captured.filter(|_| self.captured && self.status == "succeeded") else { return Ok(None) };
        let key = self.payment_intent.as_ref().and_then(Expanded::key);
        let reference = self.payment_intent.as_ref().map_or(self.id.as_str(), Expanded::id);
        movement(MovementKind::Charge, reference, key, (captured, &self.currency), self.created)
    }
}

impl Moved for ListedRefund {
    /// One that did not go through has not moved anything in the end.
    fn movement(&self) -> Result<Option<Movement>, StatementError> {
        if !matches!(self.status.as_deref(), Some("succeeded" | "pending" | "requires_action")) {
            return Ok(None);
        }
        let intent = self.payment_intent.as_ref();
        let key = key(&self.metadata, CALL).or_else(|| intent.and_then(Expanded::key));
        let charge = intent.map(|intent| intent.id().to_owned()).or_else(|| self.charge.clone());
        let movement = movement(MovementKind::Refund, &self.id, key, (self.amount, &self.currency), self.created)?;
        Ok(movement.map(|movement| Movement { charge: charge.map(GatewayRef::from), ..movement }))
    }
}

impl Moved for ListedTransfer {
    /// What was reversed has come back.
    fn movement(&self) -> Result<Option<Movement>, StatementError> {
        let left = self.amount - self.amount_reversed;
        if left <= 0 {
            return Ok(None);
        }
        let key = key(&self.metadata, CALL);
        movement(MovementKind::Payout, &self.id, key, (left, &self.currency), self.created)
    }
}

fn key(metadata: &Metadata, name: &str) -> Option<CallKey> {
    metadata.get(name)?.parse().ok()
}

fn movement(
    kind: MovementKind,
    reference: &str,
    key: Option<CallKey>,
    (amount, currency): (i64, &str),
    created: i64,
) -> Result<Option<Movement>, StatementError> {
    let unreadable = || StatementError::Unreadable(format!("{reference} is of {amount} {currency:?} at {created}"));
    let currency = currency.to_ascii_uppercase().parse().map_err(|_| unreadable())?;
    let amount: Money = amount::from_stripe(amount, currency).ok_or_else(unreadable)?;
    let at = DateTime::from_timestamp(created, 0).ok_or_else(unreadable)?;
    let reference = GatewayRef::from(reference.to_owned());
    Ok(Some(Movement { kind, key, reference, charge: None, amount, at }))
}

impl Listed for ListedCharge {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for ListedRefund {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for ListedTransfer {
    fn id(&self) -> &str {
        &self.id
    }
}

impl StripeGateway {
    async fn listed<T: Moved + serde::de::DeserializeOwned>(
        &self,
        path: &str,
        since: DateTime<Utc>,
        expand: Option<&str>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError> {
        let since = since.timestamp().max(0).to_string();
        let mut query = vec![("created[gte]", since.as_str())];
        query.extend(expand.map(|expand| ("expand[]", expand)));
        query.extend(after.as_deref().map(|after| ("starting_after", after)));
        let (objects, next): (Vec<T>, _) = self.client.list(path, &query).await.map_err(told)?;
        let movements = objects.iter().filter_map(|object| object.movement().transpose());
        Ok(StatementPage { movements: movements.collect::<Result<_, _>>()?, next })
    }
}

#[async_trait]
impl GatewayStatement for StripeGateway {
    async fn page(
        &self,
        kind: MovementKind,
        since: DateTime<Utc>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError> {
        let intents = Some("data.payment_intent");
        match kind {
            MovementKind::Charge => self.listed::<ListedCharge>("/v1/charges", since, intents, after).await,
            MovementKind::Refund => self.listed::<ListedRefund>("/v1/refunds", since, intents, after).await,
            MovementKind::Payout => self.listed::<ListedTransfer>("/v1/transfers", since, None, after).await,
        }
    }

    async fn movement(&self, kind: MovementKind, reference: &GatewayRef) -> Result<Option<Movement>, StatementError> {
        let found = match kind {
            MovementKind::Charge => {
                let intent = self.one::<ChargedIntent>("/v1/payment_intents", reference, &[]).await?;
                intent.map(|intent| intent.movement())
            }
            MovementKind::Refund => {
                let expand = [("expand[]", "payment_intent")];
                self.one::<ListedRefund>("/v1/refunds", reference, &expand).await?.map(|refund| refund.movement())
            }
            MovementKind::Payout => {
                self.one::<ListedTransfer>("/v1/transfers", reference, &[]).await?.map(|transfer| transfer.movement())
            }
        };
        Ok(found.transpose()?.flatten())
    }
}

impl StripeGateway {
    /// An object; none by a reference that Stripe does not know.
    async fn one<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        reference: &GatewayRef,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, StatementError> {
        let Ok(path) = path_of(path, reference, "") else { return Ok(None) };
        match self.client.get(&path, query).await {
            Ok(object) => Ok(Some(object)),
            Err(Failure::Refused(error)) if error.is_missing() => Ok(None),
            Err(failure) => Err(told(failure)),
        }
    }
}

fn told(failure: Failure) -> StatementError {
    match failure {
        Failure::Refused(error) => StatementError::Unreadable(error.decline().message),
        Failure::KeyReused | Failure::Unknown | Failure::Unavailable => {
            StatementError::Unavailable("Stripe does not answer or did not take the question".to_owned())
        }
    }
}
