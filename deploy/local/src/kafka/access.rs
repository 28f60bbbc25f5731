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

    /// The topics that a service may read, its own among them.
    fn readable(service: Service) -> Vec<String> {
        let mut topics: Vec<_> = rules()
            .into_iter()
            .filter(|rule| rule.principal == format!("User:CN={service}") && rule.resource == Resource::Topic)
            .filter(|rule| rule.operation == Operation::Read)
            .map(|rule| rule.name)
            .collect();
        topics.sort_unstable();
        topics
    }

    #[test]
    fn a_service_reads_the_events_that_it_follows_and_no_dead_letters_but_its_own() {
        for service in Service::ALL {
            let mut followed = vec![service.topic(), service.dead_letters()];
            followed.extend(service.reads().iter().map(|other| other.topic()));
            followed.sort_unstable();
            assert_eq!(readable(service), followed, "{service}");
        }
    }

    #[test]
    fn settlement_hears_that_a_lot_is_listed_again() {
        assert!(readable(Service::Settlement).contains(&"outcry.listing.v1".to_owned()));
    }

    #[test]
    fn the_compose_stack_has_the_same_rules() {
        let script = include_str!("../../../compose/kafka/topics.sh");
        for service in Service::ALL {
            let line = script.lines().find_map(|line| line.strip_prefix(&format!("rules {service} "))).unwrap();
            let mut readable_there: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(readable_there[0], service.topic(), "its own topic comes first");
            readable_there.push(service.dead_letters());
            readable_there.sort_unstable();
            assert_eq!(readable_there, readable(service), "{service}");
        }
    }

    #[test]
    fn events_have_twelve_partitions_and_dead_letters_three() {
        let partitions = |name: &str| topics().into_iter().find(|topic| topic.name == name).unwrap().partitions;
        assert_eq!((partitions("outcry.bidding.v1"), partitions("bidding-service.dlq")), (12, 3));
        assert_eq!(topics().len(), 6);
    }
}
