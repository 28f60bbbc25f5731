//! Which topics there are and who may do what with them: a service writes its own topic and its own dead letters,
//! reads what it consumes, and has its own consumer group. This is the one definition, for production too.

use crate::layout::Service;

const PARTITIONS: i32 = 12;
const DEAD_LETTER_PARTITIONS: i32 = 3;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How long its records are kept, in milliseconds.
    pub retention_ms: i64,
}

/// What an access rule is about (numbers of Kafka's protocol).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Resource {
    /// A topic by name.
    Topic = 2,
    /// Consumer groups by prefix.
    Group = 3,
    /// The cluster.
    Cluster = 4,
    /// Transactional ids by prefix.
    TransactionalId = 5,
}

/// What a rule allows (numbers of Kafka's protocol).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Operation {
    /// To fetch, or to be in a group.
    Read = 3,
    /// To produce.
    Write = 4,
    /// To know of.
    Describe = 8,
    /// To number one's records.
    IdempotentWrite = 12,
}

/// `principal` may do `operation` on `resource` `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whom it concerns, e.g. `User:CN=listing-service`.
    pub principal: String,
    /// Kind of resource.
    pub resource: Resource,
    /// Its name, or the beginning of it for groups and transactional ids.
    pub name: String,
    /// What is allowed.
    pub operation: Operation,
}

/// All topics.
pub fn topics() -> Vec<Topic> {
    let own =
        Service::ALL.map(|service| Topic { name: service.topic(), partitions: PARTITIONS, retention_ms: 7 * DAY_MS });
    let dead = Service::ALL.map(|service| Topic {
        name: service.dead_letters(),
        partitions: DEAD_LETTER_PARTITIONS,
        retention_ms: 30 * DAY_MS,
    });
    own.into_iter().chain(dead).collect()
}

/// All access rules.
pub fn rules() -> Vec<Rule> {
    Service::ALL.into_iter().flat_map(rules_of).collect()
}

fn rules_of(service: Service) -> Vec<Rule> {
    let principal = format!("User:CN={service}");
    let mut rules = Vec::new();
    let mut allow = |resource, name: &str, operations: &[Operation]| {
        rules.extend(operations.iter().map(|&operation| Rule {
            principal: principal.clone(),
            resource,
            name: name.to_owned(),
            operation,
        }));
    };
    for own in [service.topic(), service.dead_letters()] {
        allow(Resource::Topic, &own, &[Operation::Write, Operation::Read, Operation::Describe]);
    }
    for other in service.reads() {
        allow(Resource::Topic, &other.topic(), &[Operation::Read, Operation::Describe]);
    }
    allow(Resource::Group, &service.name(), &[Operation::Read, Operation::Describe]);
    allow(Resource::TransactionalId, &service.name(), &[Operation::Write, Operation::Describe]);
    allow(Resource::Cluster, "kafka-cluster", &[Operation::IdempotentWrite]);
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_writes_a_topic() {
        for service in Service::ALL {
            for topic in [service.topic(), service.dead_letters()] {
                let writers: Vec<String> = rules()
                    .into_iter()
                    .filter(|rule| rule.name == topic && rule.operation == Operation::Write)
                    .map(|rule| rule.principal)
                    .collect();
                assert_eq!(writers, [format!("User:CN={service}")], "{topic}");
            }
        }
    }

    #[test]
    fn dead_letters_are_read_by_their_service_only() {
        for service in Service::ALL {
            let dead_letters = service.dead_letters();
            let readers: Vec<String> = rules()
                .into_iter()
                .filter(|rule| rule.name == dead_letters && rule.operation == Operation::Read)
                .map(|rule| rule.principal)
                .collect();
            assert_eq!(readers, [format!("User:CN={service}")], "{dead_letters}");
        }
    }

    #[test]
    fn events_have_twelve_partitions_and_dead_letters_three() {
        let partitions = |name: &str| topics().into_iter().find(|topic| topic.name == name).unwrap().partitions;
        assert_eq!((partitions("outcry.bidding.v1"), partitions("bidding-service.dlq")), (12, 3));
        assert_eq!(topics().len(), 6);
    }
}
