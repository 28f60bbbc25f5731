use super::*;

/// Posts to a collector of its own and waits for the answer's first line.
async fn posted(path: &str, body: &[u8]) -> (Collector, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let collector = Collector::of(listener);
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_line(&mut answer).await.unwrap();
    (collector, answer)
}

fn export(trace_id: &[u8]) -> Vec<u8> {
    let service = otlp::Value { text: "bidding-service".to_owned() };
    let attributes = vec![otlp::Attribute { key: "service.name".to_owned(), value: Some(service) }];
    let span = |id, parent: &[u8]| otlp::Span {
        trace_id: trace_id.to_vec(),
        id: vec![0, 0, 0, 0, 0, 0, 1, id],
        parent: parent.to_vec(),
        name: "request".to_owned(),
    };
    let spans = vec![span(1, &[]), span(2, &[0, 0, 0, 0, 0, 0, 1, 1])];
    let resource = Some(otlp::Resource { attributes });
    let told = otlp::ResourceSpans { resource, scope_spans: vec![otlp::ScopeSpans { spans }] };
    otlp::Export { resource_spans: vec![told] }.encode_to_vec()
}

#[tokio::test]
async fn spans_are_kept_by_trace_with_their_service_and_parent() {
    let (collector, answer) = posted("/v1/traces", &export(&7_u128.to_be_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let span = |id, parent| Span {
        service: "bidding-service".to_owned(),
        name: "request".to_owned(),
        trace_id: 7,
        id,
        parent,
    };
    assert_eq!(collector.spans_of(7).unwrap(), [span(0x101, 0), span(0x102, 0x101)]);
    assert!(collector.spans_of(8).unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_trace_is_told_to_who_asks_for_one() {
    for (path, body) in
        [("/v1/traces", b"no protobuf".to_vec()), ("/v1/traces", export(&[7])), ("/v1/logs", export(&[7; 16]))]
    {
        let (collector, answer) = posted(path, &body).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(collector.spans_of(7).is_err(), "{path}");
    }
}
