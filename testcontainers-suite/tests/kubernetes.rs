//! The manifests of `deploy/k8s` beside what they run: they set what the services read, open the ports of the images,
//! run as their user, and hold no secret. They are read line by line, as they are written.

use std::collections::BTreeSet;

use crate::{SERVICES, first_difference, in_common, text};

/// How a service reads settings without which it does not start.
const NEEDED: [&str; 7] = ["required(", "file(", "jwks(", "secret(", "database_url(", "alias_secret(", "receipt_key("];
/// Those of them that may be in a file instead, and are here.
const SECRET: [&str; 4] = ["secret(", "database_url(", "alias_secret(", "receipt_key("];
/// What the payment gateway's part reads by names from a list, or for a gateway that production does not take.
const WEBHOOKS: [&str; 2] = ["OUTCRY_WEBHOOK_SECRET", "OUTCRY_WEBHOOK_SECRET_PREVIOUS"];
const GATEWAY: &str = "OUTCRY_GATEWAY";
const SIMULATED: &str = "OUTCRY_SIMULATED_GATEWAY_FILE";
/// What a pod may do, and may take of the machine.
const OF_EVERY_POD: [&str; 7] = [
    "automountServiceAccountToken: false",
    "runAsNonRoot: true",
    "seccompProfile: { type: RuntimeDefault }",
    "allowPrivilegeEscalation: false",
    "readOnlyRootFilesystem: true",
    "capabilities: { drop: [ALL] }",
    "limits: { cpu: \"2\", memory: 512Mi }",
];
/// A service ends by itself within 30 seconds, and is given some more.
const ENDS_WITHIN_S: u32 = 35;
/// Of the 100 that a service may have: `migrate` and the operator want some, and PostgreSQL keeps three.
const CONNECTIONS: u32 = 90;

/// The numbers that follow `key`.
fn numbers(text: &str, key: &str) -> BTreeSet<u32> {
    let digits = text.split(key).skip(1).filter_map(|rest| rest.split(|next: char| !next.is_ascii_digit()).next());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

/// The number that follows `key`, which is there once.
fn number(text: &str, key: &str) -> u32 {
    let found = numbers(text, key);
    assert_eq!(found.len(), 1, "{key}{found:?}");
    found.into_iter().sum()
}

/// What a service reads of its environment, by its source.
#[derive(Default)]
struct Settings {
    known: BTreeSet<String>,
    needed: BTreeSet<String>,
    secret: BTreeSet<String>,
}

impl Settings {
    fn of(service: &str) -> Self {
        let folder = format!("{service}-service/crates/service/src");
        let mut source = text(&format!("{folder}/config.rs"));
        let mut settings = Self::default();
        if service == "settlement" {
            source += &text(&format!("{folder}/config/gateway.rs"));
            settings.needed.extend([GATEWAY, WEBHOOKS[0]].map(str::to_owned));
            settings.secret.extend(WEBHOOKS.map(str::to_owned));
        }
        for (at, _) in source.match_indices("\"OUTCRY_") {
            let name = source[at + 1..].split('"').next().unwrap_or_default();
            let reader = source[..at].rsplit('.').next().unwrap_or_default();
            if NEEDED.contains(&reader) && name != SIMULATED {
                settings.needed.insert(name.to_owned());
            }
            if SECRET.contains(&reader) {
                settings.secret.insert(name.to_owned());
            }
            settings.known.insert(name.to_owned());
        }
        assert!(
            settings.known.len() > 20 && settings.needed.len() > 9,
            "the configuration of {service} is not read as it is written"
        );
        settings
    }

    fn reads(&self, name: &str) -> bool {
        self.known.contains(name) || name.strip_suffix("_FILE").is_some_and(|stem| self.secret.contains(stem))
    }
}

/// What is written for one service.
struct Manifests {
    serve: String,
    migrate: String,
    network: String,
    /// What is set everywhere, and what the example adds.
    config: String,
}

impl Manifests {
    fn of(service: &str) -> Self {
        let file = |name: &str| text(&format!("deploy/k8s/base/{service}-service/{name}"));
        Self {
            serve: file("serve.yaml"),
            migrate: file("migrate.yaml"),
            network: file("network.yaml"),
            config: file("config.env") + &text("deploy/k8s/example/marketplace.env"),
        }
    }

    /// The same with something else in place of `from`.
    fn with(&self, from: &str, to: &str) -> Self {
        let all = [&self.serve, &self.migrate, &self.network, &self.config];
        assert!(all.iter().any(|text| text.contains(from)), "{from} is nowhere");
        let [serve, migrate, network, config] = all.map(|text| text.replace(from, to));
        Self { serve, migrate, network, config }
    }

    /// Names and values; a value that a pod has from elsewhere is none here.
    fn settings(&self) -> Vec<(&str, &str)> {
        let lines = self.config.lines().filter(|line| !line.starts_with('#'));
        let pods = self.serve.lines().chain(self.migrate.lines());
        let named = pods.filter_map(|line| line.split("name: ").find(|rest| rest.starts_with("OUTCRY_")));
        let of_pods = named.map(|rest| (rest.split(',').next().unwrap_or_default(), ""));
        lines.filter_map(|line| line.split_once('=')).chain(of_pods).collect()
    }
}

/// What does not fit the service, its image or the rules.
fn faults(service: &str, manifests: &Manifests) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    let Manifests { serve, migrate, network, config } = manifests;
    let pods = [("serve", serve), ("migrate", migrate)];

    let (settings, set) = (Settings::of(service), manifests.settings());
    let given = |name: &str| set.iter().any(|(known, value)| *known == name && !value.is_empty());
    for (name, value) in &set {
        must(settings.reads(name), format!("{name} is read by nobody"));
        must(!settings.secret.contains(*name), format!("{name} is a secret, and here its file is named"));
        if let Some((folder, _)) = value.strip_prefix("/etc/outcry/").and_then(|path| path.split_once('/')) {
            let mount = format!("mountPath: /etc/outcry/{folder},");
            let there = pods.iter().all(|(_, pod)| pod.contains(&mount));
            must(there, format!("{name} names {value}, and {folder} is not mounted"));
        }
    }
    for name in &settings.needed {
        let by_file = settings.secret.contains(name) && given(&format!("{name}_FILE"));
        must(given(name) || by_file, format!("{name} is needed"));
    }
    must(set.iter().any(|(name, _)| *name == "OUTCRY_INSTANCE"), "an instance has no name".to_owned());

    let dockerfile = text(&format!("{service}-service/Dockerfile"));
    let of_image = |word: &str| dockerfile.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_default();
    let ports: BTreeSet<u32> = of_image("EXPOSE ").split(' ').filter_map(|port| port.parse().ok()).collect();
    let (ingress, egress) = network.split_once("egress:").unwrap_or_default();
    must(numbers(serve, "containerPort: ") == ports, format!("the image has the ports {ports:?}"));
    must(numbers(ingress, "port: ") == ports, format!("others than {ports:?} may be called"));
    must(numbers(egress, "port: ").is_disjoint(&ports), "it may call a service".to_owned());

    let manifest = text(&format!("{service}-service/Cargo.toml"));
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap_or_default();
    let image = format!("image: outcry/{service}-service:{}\n", version.trim_matches('"'));
    let user = format!("runAsUser: {}\n", of_image("USER ").split(':').next().unwrap_or_default());
    let readme = text("deploy/k8s/README.md");
    for (name, pod) in pods {
        for line in OF_EVERY_POD.into_iter().chain([image.as_str(), user.as_str()]) {
            must(pod.contains(line), format!("{name} has no `{}`", line.trim_end()));
        }
        for secret in pod.split("secretName: ").skip(1).filter_map(|rest| rest.split(',').next()) {
            must(readme.contains(&format!("`{secret}`")), format!("the README does not tell of the Secret {secret}"));
        }
    }
    let grace = number(serve, "terminationGracePeriodSeconds: ");
    must(grace >= number(serve, "sleep: { seconds: ") + ENDS_WITHIN_S, format!("{grace} s are too few to end in"));
    let connections = number(serve, "replicas: ") * number(config, "OUTCRY_DATABASE_MAX_CONNECTIONS=");
    must(connections <= CONNECTIONS, format!("all instances together have {connections} connections"));
    faults
}

#[test]
fn the_manifests_for_kubernetes_fit_the_services_and_their_images() {
    for service in SERVICES {
        let found = faults(service, &Manifests::of(service));
        assert!(found.is_empty(), "{service}-service: {found:#?}");
    }
}

#[test]
fn a_planted_fault_of_a_manifest_is_found() {
    let sound = Manifests::of("settlement");
    for (from, to) in [
        ("OUTCRY_TLS_KEY_FILE", "OUTCRY_TLS_KEYFILE"),
        ("OUTCRY_JWT_AUDIENCE=outcry", "OUTCRY_JWT_AUDIENCE="),
        ("OUTCRY_GATEWAY=stripe\n", ""),
        ("OUTCRY_WEBHOOK_SECRET_FILE=", "OUTCRY_WEBHOOK_SECRET="),
        ("name: OUTCRY_INSTANCE", "name: OUTCRY_INSTANCE_NAME"),
        ("mountPath: /etc/outcry/kafka", "mountPath: /etc/outcry/broker"),
        ("containerPort: 9443", "containerPort: 9444"),
        ("port: 5432", "port: 8443"),
        ("image: outcry/settlement-service:", "image: outcry/settlement-service:latest # "),
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("runAsUser: 10001", "runAsUser: 0"),
        ("drop: [ALL]", "add: [ALL]"),
        ("secretName: settlement-service-keys", "secretName: settlement-service-key"),
        ("terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 30"),
        ("replicas: 3", "replicas: 4"),
    ] {
        assert!(!faults("settlement", &sound.with(from, to)).is_empty(), "{to} in place of {from} is not found");
    }
}

/// Whoever mends one mends three. Only those that have secrets of their own have the volume `keys`.
#[test]
fn the_manifests_of_all_services_are_alike() {
    for file in ["kustomization.yaml", "serve.yaml", "migrate.yaml", "network.yaml"] {
        let [pattern, others @ ..] = SERVICES.map(|service| -> String {
            let common = in_common(service, &text(&format!("deploy/k8s/base/{service}-service/{file}")));
            common.lines().filter(|line| !line.contains("{ name: keys, ")).map(|line| line.to_owned() + "\n").collect()
        });
        for other in others {
            assert_eq!(first_difference(&pattern, &other), None, "{file}");
        }
    }
}

#[test]
fn the_manifests_hold_no_secret_and_take_no_image_that_changes() {
    let of_each = ["kustomization.yaml", "serve.yaml", "migrate.yaml", "network.yaml", "config.env"];
    let base = SERVICES.map(|service| of_each.map(|file| format!("base/{service}-service/{file}"))).concat();
    let others = ["base/kustomization.yaml", "example/kustomization.yaml", "example/marketplace.env"];
    for file in base.into_iter().chain(others.map(str::to_owned)) {
        let text = text(&format!("deploy/k8s/{file}"));
        for word in ["kind: Secret", "secretGenerator", "stringData", "PRIVATE KEY", "postgres://", "latest"] {
            assert!(!text.contains(word), "{file} has `{word}`");
        }
    }
}
