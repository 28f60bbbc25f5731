//! One route to read and one to write of each service: where the common rules are tried.

use anyhow::Result;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    story::{Lot, Terms},
    world::{Service, World},
};
use uuid::Uuid;

/// A route that any person may read and that has an answer for them: 200, or 404 where there is nothing yet.
pub fn read_route(service: Service) -> String {
    match service {
        Service::Listing => "/v1/listings?limit=1".to_owned(),
        Service::Bidding => format!("/v1/auctions/{}", Uuid::now_v7()),
        Service::Settlement => "/v1/settlements?limit=1".to_owned(),
    }
}

/// A resource by a given id.
pub fn resource(service: Service, id: &str) -> String {
    match service {
        Service::Listing => format!("/v1/listings/{id}"),
        Service::Bidding => format!("/v1/auctions/{id}"),
        Service::Settlement => format!("/v1/settlements/{id}"),
    }
}

/// A route that needs an idempotency key and a body; where it names a resource, there is none by that id.
pub fn write_route(service: Service) -> String {
    match service {
        Service::Listing => "/v1/listings".to_owned(),
        Service::Bidding => format!("/v1/auctions/{}/bids", Uuid::now_v7()),
        Service::Settlement => format!("/v1/settlements/{}/pay", Uuid::now_v7()),
    }
}

/// A body for [`write_route`].
pub fn body(service: Service) -> Value {
    match service {
        Service::Listing => Terms::from(100).body(),
        Service::Bidding => json!({"max_amount": 500}),
        Service::Settlement => json!({"payment_method": "pm_card_visa"}),
    }
}

/// Who may write there.
pub fn writer(world: &World, service: Service) -> Person<'_> {
    match service {
        Service::Listing => world.seller("writer"),
        Service::Bidding | Service::Settlement => world.bidder("writer"),
    }
}

/// A write that succeeds, and how often it had its effect.
pub struct Write<'w> {
    /// Who writes.
    pub person: Person<'w>,
    /// Which service.
    pub service: Service,
    /// Where.
    pub path: String,
    /// What.
    pub body: Value,
    /// What else could be written there.
    pub other_body: Value,
    lot: Option<Lot>,
}

impl<'w> Write<'w> {
    /// Brings about what the write needs.
    pub async fn prepare(world: &'w World, service: Service) -> Result<Self> {
        let person = writer(world, service);
        let (path, other_body, lot) = match service {
            Service::Listing => ("/v1/listings".to_owned(), Terms::from(200).body(), None),
            Service::Bidding => {
                let lot = world.seller("seller").opens(&Terms::from(100).lasting(super::idempotency::LASTS)).await?;
                (format!("/v1/auctions/{}/bids", lot.id), json!({"max_amount": 600}), Some(lot))
            }
            Service::Settlement => {
                let lot = world.seller("seller").opens(&Terms::from(100)).await?;
                person.bids(&lot, 500).await?;
                let sale = person.awaits_sale(&lot).await?;
                let other = json!({"payment_method": "pm_card_mastercard"});
                (format!("/v1/settlements/{}/pay", sale.id), other, Some(lot))
            }
        };
        Ok(Self { body: body(service), person, service, path, other_body, lot })
    }

    /// How often the write had its effect.
    pub async fn effects(&self) -> Result<usize> {
        let lot = self.lot.as_ref();
        match (self.service, lot) {
            (Service::Bidding, Some(lot)) => {
                Ok(usize::try_from(self.person.auction(lot).await?["bid_count"].as_u64().unwrap_or_default())?)
            }
            (Service::Settlement, Some(lot)) => {
                let sales = self.person.sales_of(lot).await?;
                Ok(sales.iter().filter(|sale| sale["status"] != "awaiting_payment").count())
            }
            _ => {
                let path = format!("/v1/listings?limit=100&seller={}", self.person.sub);
                let page = self.person.get(Service::Listing, &path).await?.success()?;
                Ok(page["items"].as_array().map(Vec::len).unwrap_or_default())
            }
        }
    }
}
