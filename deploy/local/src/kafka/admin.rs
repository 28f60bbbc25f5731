//! Creates topics and access rules as the operator. Over the protocol, because a tool of Kafka's own starts a JVM for each rule.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{
    ApiKey, CreateAclsRequest, CreateAclsResponse, CreateTopicsRequest, CreateTopicsResponse, DescribeAclsRequest,
    DescribeAclsResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use rustls::ClientConfig;

use super::access::{Resource, Rule, Topic};
use super::wire::{Connection, Exchange};
use crate::supervise::poll;

impl Exchange for MetadataRequest {
    const KEY: ApiKey = ApiKey::Metadata;
    type Answer = MetadataResponse;
}

impl Exchange for CreateTopicsRequest {
    const KEY: ApiKey = ApiKey::CreateTopics;
    type Answer = CreateTopicsResponse;
}

impl Exchange for CreateAclsRequest {
    const KEY: ApiKey = ApiKey::CreateAcls;
    type Answer = CreateAclsResponse;
}

impl Exchange for DescribeAclsRequest {
    const KEY: ApiKey = ApiKey::DescribeAcls;
    type Answer = DescribeAclsResponse;
}

const METADATA: i16 = 12;
const CREATE_TOPICS: i16 = 7;
const CREATE_ACLS: i16 = 3;
const DESCRIBE_ACLS: i16 = 3;
const RULES_WITHIN: Duration = Duration::from_secs(30);
const ANY: i8 = 1;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ALLOW: i8 = 3;
/// Kafka's replication factor for "what the broker is configured to".
const BROKER_DEFAULT: i16 = -1;

/// The operator's access to a broker.
#[derive(Clone)]
pub struct Admin {
    address: String,
    tls: Arc<ClientConfig>,
}

impl Admin {
    /// Asks the broker at `address`, `host:port`.
    pub fn new(address: String, tls: Arc<ClientConfig>) -> Self {
        Self { address, tls }
    }

    async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.address, self.tls.clone()).await
    }

    /// Whether the broker is registered and serves clients.
    pub async fn answers(&self) -> Result<()> {
        let metadata =
            self.connect().await?.ask(&MetadataRequest::default().with_topics(Some(Vec::new())), METADATA).await?;
        ensure!(!metadata.brokers.is_empty(), "Kafka at {} has no broker yet", self.address);
        Ok(())
    }

    /// Creates `topics`; those that exist are left as they are.
    pub async fn create_topics(&self, topics: &[Topic], within: Duration) -> Result<()> {
        let topics = topics.iter().map(|topic| {
            let name = TopicName(StrBytes::from_string(topic.name.clone()));
            let retention = CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str("retention.ms"))
                .with_value(Some(StrBytes::from_string(topic.retention_ms.to_string())));
            CreatableTopic::default()
                .with_configs(vec![retention])
                .with_name(name)
                .with_num_partitions(topic.partitions)
                .with_replication_factor(BROKER_DEFAULT)
        });
        let timeout_ms = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
        let request = CreateTopicsRequest::default().with_topics(topics.collect()).with_timeout_ms(timeout_ms);
        for result in self.connect().await?.ask(&request, CREATE_TOPICS).await?.topics {
            let existed = result.error_code == ResponseError::TopicAlreadyExists.code();
            if !existed {
                accepted(result.error_code, &format!("the topic {}", result.name.as_str()))?;
            }
        }
        Ok(())
    }

    /// Creates access rules, and waits until the broker goes by them; repeating one changes nothing.
    pub async fn create_rules(&self, rules: &[Rule]) -> Result<()> {
        let creations = rules.iter().map(|rule| {
            let by_prefix = matches!(rule.resource, Resource::Group | Resource::TransactionalId);
            AclCreation::default()
                .with_resource_type(rule.resource as i8)
                .with_resource_name(StrBytes::from_string(rule.name.clone()))
                .with_resource_pattern_type(if by_prefix { PREFIXED } else { LITERAL })
                .with_principal(StrBytes::from_string(rule.principal.clone()))
                .with_host(StrBytes::from_static_str("*"))
                .with_operation(rule.operation as i8)
                .with_permission_type(ALLOW)
        });
        let request = CreateAclsRequest::default().with_creations(creations.collect());
        let answer = self.connect().await?.ask(&request, CREATE_ACLS).await?;
        for (result, rule) in answer.results.iter().zip(rules) {
            accepted(result.error_code, &format!("the access rule of {} for {}", rule.principal, rule.name))?;
        }
        // The controller has written them down; the broker learns of them a moment later.
        poll(RULES_WITHIN, || self.goes_by(rules.len())).await
    }

    async fn goes_by(&self, rules: usize) -> Result<()> {
        let everything = DescribeAclsRequest::default()
            .with_resource_type_filter(ANY)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY);
        let answer = self.connect().await?.ask(&everything, DESCRIBE_ACLS).await?;
        accepted(answer.error_code, "a list of its access rules")?;
        let known: usize = answer.resources.iter().map(|resource| resource.acls.len()).sum();
        ensure!(known >= rules, "Kafka goes by {known} of {rules} access rules");
        Ok(())
    }
}

fn accepted(code: i16, what: &str) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    let why = ResponseError::try_from_code(code).map_or_else(|| format!("error {code}"), |error| error.to_string());
    bail!("Kafka does not give {what}: {why}")
}
