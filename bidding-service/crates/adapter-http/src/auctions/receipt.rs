//! Receipts: what the house states of an auction that is over, signed (RFC 7515, `EdDSA`), so that it can be
//! held to it.

use std::sync::Arc;

use axum::{Json, extract::State};
use bidding_application::receipt::Statement as Stated;
use bidding_domain::{ids::AuctionId, money::Amount};
use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet, ThumbprintHash},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    Api,
    dto::{AuctionFormat, format_of},
};
use crate::{
    input::ApiId,
    openapi::{ReadProblems, WriteProblems},
    problem::ApiError,
};

/// Signs receipts.
#[derive(Clone)]
pub struct Signer {
    key: Arc<EncodingKey>,
    public: Arc<Jwk>,
    kid: String,
}

impl Signer {
    /// With an Ed25519 key in PEM (PKCS #8, RFC 8410).
    ///
    /// # Errors
    /// The key is none.
    pub fn new(pem: &str) -> Result<Self, jsonwebtoken::errors::Error> {
        let key = EncodingKey::from_ed_pem(pem.as_bytes())?;
        let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(kid.clone());
        Ok(Self { key: Arc::new(key), public: Arc::new(public), kid })
    }

    fn sign(&self, statement: &Statement) -> Result<String, ApiError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("outcry-receipt+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        encode(&header, statement, &self.key).map_err(|error| {
            tracing::error!(%error, "a receipt cannot be signed");
            ApiError::internal()
        })
    }
}

/// What the house states of an auction that is over.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AuctionStatement)]
pub struct Statement {
    /// Which auction.
    pub auction_id: Uuid,
    /// The way of selling.
    pub format: AuctionFormat,
    /// ISO 4217.
    pub currency: String,
    /// `sold`, `reserve_not_met`, `no_bids` or `cancelled`.
    pub outcome: String,
    /// The hammer price (of one unit), minor units; null when there is none.
    pub price: Option<i64>,
    /// Who won, by the name in the auction.
    pub winner: Option<String>,
    /// Who won how many units of a lot of many.
    pub awards: Vec<StatedAward>,
    /// Accepted bids that were not taken back; null where they stay secret.
    pub bid_count: Option<u64>,
    /// When it ended, extensions included, or was taken back.
    pub ended_at: DateTime<Utc>,
    /// Number of the last event.
    pub sequence: u64,
    /// Decisions in the auction's log; null where bids stay secret.
    pub decisions: Option<u64>,
    /// Hexadecimal: the last link of the log's hash chain, under a key of the house (HMAC-SHA-256), so that nobody can
    /// try out what the log has.
    pub chain: String,
}

/// Units that a bidder won.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = StatedAward)]
pub struct StatedAward {
    /// Who, by the name in the auction.
    pub bidder: String,
    /// Units.
    pub quantity: u32,
    /// Whether they were declined.
    pub declined: bool,
}

impl From<Stated> for Statement {
    fn from(stated: Stated) -> Self {
        let outcome = serde_json::to_value(stated.result.outcome).ok();
        let awards = stated.result.awards.into_iter().map(|award| StatedAward {
            bidder: award.bidder.to_string(),
            quantity: award.quantity,
            declined: award.declined,
        });
        Self {
            auction_id: stated.auction_id.0,
            format: format_of(&stated.format),
            currency: stated.currency.to_owned(),
            outcome: outcome.and_then(|outcome| outcome.as_str().map(str::to_owned)).unwrap_or_default(),
            price: stated.result.price.map(Amount::minor),
            winner: stated.winner.map(|winner| winner.to_string()),
            awards: awards.collect(),
            bid_count: stated.bid_count,
            ended_at: stated.ended_at,
            sequence: stated.sequence,
            decisions: stated.decisions,
            chain: stated.chain.to_string(),
        }
    }
}

/// A signed statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// A compact JWS whose payload is `statement`; its key is at `/v1/receipt-keys`.
    pub receipt: String,
    /// The same, to be read.
    pub statement: Statement,
}

/// What proves results.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(receipt)).routes(routes!(keys))
}

/// Gives the signed statement of an auction that is over.
#[utoipa::path(get, path = "/v1/auctions/{id}/receipt", operation_id = "getReceipt", tag = "auctions",
    params(("id" = Uuid, Path, description = "The auction")),
    responses((status = 200, description = "The receipt", body = Receipt), WriteProblems))]
async fn receipt(State(api): State<Api>, ApiId(id): ApiId) -> Result<Json<Receipt>, ApiError> {
    let statement = api.auctions.statement(AuctionId(id)).await?.into();
    Ok(Json(Receipt { receipt: api.signer.sign(&statement)?, statement }))
}

/// Gives the keys by which receipts are verified (JWKS, RFC 7517).
#[utoipa::path(get, path = "/v1/receipt-keys", operation_id = "listReceiptKeys", tag = "auctions",
    responses((status = 200, description = "A JWK set", body = Object), ReadProblems))]
async fn keys(State(api): State<Api>) -> Json<JwkSet> {
    Json(JwkSet { keys: vec![(*api.signer.public).clone()] })
}
