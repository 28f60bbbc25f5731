//! The payment gateway, put together: who moves the money, what guards the way there, and what knows its webhooks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use secrecy::SecretString;
use settlement_adapter_http::{health::Check, webhook};
use settlement_adapter_payments::{
    Behaviour, DEFAULT_LIMIT, Guarded, JournalStatement, Post, Posts, Secret, SimulatedGateway, StripeGateway,
    TimeLimited, Webhooks, breaker::Policy,
};
use settlement_application::{NoticeError, Notices};
use settlement_ports::{GatewayStatement, NoticeVerifier, PaymentGateway};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{GatewayConfig, Provider};

/// Most webhooks of the simulated gateway that wait; more are lost, as webhooks may be.
const POSTS: usize = 1024;
/// How often one of them is tried.
const TRIES: u32 = 5;

/// What the rest of the service needs of it.
pub struct Payments {
    /// What moves the money.
    pub gateway: Arc<dyn PaymentGateway>,
    /// What tells which money it moved, and for what.
    pub statement: Arc<dyn GatewayStatement>,
    /// What knows its signature.
    pub verifier: Arc<dyn NoticeVerifier>,
    /// Its part of readiness: see [`check`].
    pub ready: Check,
    /// What the simulated one sends by itself.
    pub posts: Option<mpsc::Receiver<Post>>,
}

/// Opens the gateway. Stripe need not answer by then.
pub async fn open(config: &GatewayConfig) -> anyhow::Result<Payments> {
    let mut secrets: Vec<Secret> = config.webhook_secrets.iter().cloned().map(Secret::from).collect();
    match &config.provider {
        Provider::Simulated { file, durable, faults } => {
            let own = Secret::from(invented()?);
            secrets.push(own.clone());
            let (to, posts) = mpsc::channel(POSTS);
            let behaviour = Behaviour { durable: *durable, faults: *faults, posts: Some(Posts::new(to, own)) };
            let gateway = SimulatedGateway::open(file, behaviour)
                .with_context(|| format!("OUTCRY_SIMULATED_GATEWAY_FILE names {}", file.display()))?;
            let ready: Check = Box::new(|| async { Ok(()) }.boxed());
            let gateway = guarded(gateway, config);
            let statement = gateway.clone();
            Ok(Payments { gateway, statement, verifier: verifier(secrets), ready, posts: Some(posts) })
        }
        Provider::Stripe(stripe) => {
            let gateway = StripeGateway::new(stripe.clone()).context("no HTTP client can be made for Stripe")?;
            // Not answered in time: the first call will show it.
            let _answered = tokio::time::timeout(DEFAULT_LIMIT, gateway.try_credentials()).await;
            let ready = check(&gateway);
            let gateway = guarded(gateway, config);
            let statement = gateway.clone();
            Ok(Payments { gateway, statement, verifier: verifier(secrets), ready, posts: None })
        }
    }
}

/// A gateway that is away takes nothing from readiness: whatever needs it is planned durably and waits, everything else
/// works, and without an instance that is ready nobody would hear its webhooks either. Only an instance whose key was never
/// taken is not ready: it was started with a wrong one, and a rollout has to stop at it.
fn check(gateway: &StripeGateway) -> Check {
    let credentials = gateway.credentials();
    Box::new(move || {
        let wrong = credentials.are_wrong();
        async move { if wrong { Err("Stripe refuses OUTCRY_STRIPE_KEY".into()) } else { Ok(()) } }.boxed()
    })
}

/// The gateway's list alone, for a process that moves no money.
pub fn statement(config: &GatewayConfig) -> anyhow::Result<Arc<dyn GatewayStatement>> {
    Ok(match &config.provider {
        Provider::Simulated { file, .. } => Arc::new(TimeLimited::new(JournalStatement::new(file), DEFAULT_LIMIT)),
        Provider::Stripe(stripe) => {
            let gateway = StripeGateway::new(stripe.clone()).context("no HTTP client can be made for Stripe")?;
            Arc::new(TimeLimited::new(gateway, DEFAULT_LIMIT))
        }
    })
}

fn guarded<G>(gateway: G, config: &GatewayConfig) -> Arc<Guarded<TimeLimited<G>>> {
    Arc::new(Guarded::new(TimeLimited::new(gateway, DEFAULT_LIMIT), config.at_once, Policy::default()))
}

fn verifier(secrets: Vec<Secret>) -> Arc<dyn NoticeVerifier> {
    Arc::new(Webhooks::new(secrets))
}

/// A secret for this process alone.
fn invented() -> anyhow::Result<SecretString> {
    let mut bytes = [0; 32];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat().into())
}

/// Takes in what the simulated gateway sends, until `stop`.
pub async fn deliver(mut posts: mpsc::Receiver<Post>, notices: Notices, stop: CancellationToken) {
    while let Some(Some(post)) = stop.run_until_cancelled(posts.recv()).await {
        for _ in 0..TRIES {
            let taken = notices.take_in(&post.signature, &post.body).await;
            webhook::tell(&taken);
            match taken {
                Err(NoticeError::Store(_) | NoticeError::Gateway(_)) => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                _ => break,
            }
        }
    }
    stop.cancelled().await;
}
