//! The proxy over real sockets, at the speed of the wall clock.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::balancer;
use crate::doc::doc;
use crate::elb::nouns::Health;
use crate::stage::Stage;

/// A real server that answers each connection by reading a request and writing what the test says, then closes.
async fn server(answer: impl Fn(&str) -> Vec<Vec<u8>> + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = String::new();
                while !request.contains("\r\n\r\n") {
                    let mut part = [0; 4096];
                    match stream.read(&mut part).await {
                        Ok(count) if count > 0 => request.push_str(&String::from_utf8_lossy(&part[..count])),
                        _ => return,
                    }
                }
                for part in answer(&request) {
                    if stream.write_all(&part).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            });
        }
    });
    address
}

fn text(body: &str) -> Vec<Vec<u8>> {
    vec![format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()]
}

/// A listener on a free port in front of instances that are healthy at once.
fn front(stage: &Stage, servers: &[SocketAddr]) -> (u16, String, Vec<String>) {
    let group = stage.target_group("web");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    stage.front(port, &group);
    let ids = stage.run(i64::try_from(servers.len()).unwrap());
    for (id, address) in ids.iter().zip(servers) {
        stage.cast.servers.lock().unwrap().insert(id.clone(), *address);
    }
    stage.register(&group, &ids);
    let mut state = stage.world.lock();
    let targets = &mut state.site(&stage.scope.site).elb.target_groups.get_mut(&group).unwrap().targets;
    targets.values_mut().for_each(|target| target.state = Health::Healthy);
    (port, group, ids)
}

async fn connect(port: u16) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, path: &str, body: &str) -> Option<(u16, String)> {
    sender.ready().await.ok()?;
    let request =
        http::Request::post(path).header("host", "shop").body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}

#[tokio::test]
async fn a_kept_connection_goes_on_over_a_change_of_targets() {
    let stage = Stage::with(true);
    let (blue, green) = (server(|_| text("blue")).await, server(|_| text("green")).await);
    let (port, group, ids) = front(&stage, &[blue]);
    let mut client = connect(port).await;
    for _ in 0..5 {
        assert_eq!(ask(&mut client, "/", "").await, Some((200, "blue".to_owned())));
    }
    let more = stage.run(1);
    stage.cast.servers.lock().unwrap().insert(more[0].clone(), green);
    stage.register(&group, &more);
    stage.deregister(&group, &ids);
    for _ in 0..5 {
        assert_eq!(ask(&mut client, "/", "").await, Some((200, "green".to_owned())));
    }
}

#[tokio::test]
async fn what_a_target_says_passes_through_and_what_it_does_not_say_is_502() {
    let stage = Stage::with(true);
    let answer = server(|request| {
        let request = request.to_ascii_lowercase();
        match request.split(' ').nth(1).unwrap() {
            "/slow" => vec![
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n".to_vec(),
                b"2\r\ncd\r\n0\r\n\r\n".to_vec(),
            ],
            "/cut" => vec![b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc".to_vec()],
            "/silent" => vec![],
            "/garbage" => vec![b"what?\r\n\r\n".to_vec()],
            "/old" => vec![b"HTTP/1.0 201 Created\r\nConnection: close\r\n\r\nold".to_vec()],
            _ => text(&request),
        }
    })
    .await;
    let (port, ..) = front(&stage, &[answer]);
    let mut client = connect(port).await;
    let seen = ask(&mut client, "/echo?a=b", "order").await.unwrap();
    assert!(seen.1.starts_with("post /echo?a=b http/1.1\r\nhost: shop\r\n"), "{seen:?}");
    assert!(seen.1.contains("x-forwarded-for: 127.0.0.1\r\n") && seen.1.contains("content-length: 5\r\n"), "{seen:?}");
    assert_eq!(ask(&mut client, "/slow", "").await, Some((200, "abcd".to_owned())));
    assert_eq!(ask(&mut client, "/old", "").await, Some((201, "old".to_owned())));
    for path in ["/silent", "/garbage"] {
        assert_eq!(ask(&mut client, path, "").await.unwrap().0, 502, "{path}");
    }
    assert_eq!(ask(&mut client, "/cut", "").await, None, "an incomplete answer is not made to look complete");
    let mut client = connect(port).await;
    assert_eq!(ask(&mut client, "/old", "").await.unwrap().0, 201);
}

#[tokio::test]
async fn a_refused_connection_is_502_and_a_closed_door_refuses() {
    let stage = Stage::with(true);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (port, group, ids) = front(&stage, &[gone]);
    let mut client = connect(port).await;
    let refused = ask(&mut client, "/", "").await.unwrap();
    assert_eq!(refused.0, 502);
    assert!(refused.1.contains("<h1>502 Bad Gateway</h1>"), "{refused:?}");
    stage.deregister(&group, &ids);
    assert_eq!(ask(&mut client, "/", "").await.unwrap().0, 503);

    let other = stage.elb("CreateLoadBalancer", doc! { "Name" => "other", "Subnets" => vec!["subnet-a"] });
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let input = doc! {
        "LoadBalancerArn" => other.list("LoadBalancers")[0].text("LoadBalancerArn"), "Protocol" => "HTTP",
        "Port" => taken.local_addr().unwrap().port(),
        "DefaultActions" => vec![doc! { "Type" => "fixed-response", "FixedResponseConfig" => doc! { "StatusCode" => "200" } }],
    };
    let error = stage.error("elasticloadbalancing", "CreateListener", input);
    assert_eq!(error.code, "InvalidConfigurationRequest");
    assert!(error.message.contains("of 127.0.0.1 cannot be opened"), "{}", error.message);

    let balancer = stage.elb("DescribeLoadBalancers", doc! { "Names" => vec![format!("lb-{port}")] });
    let arn = balancer.list("LoadBalancers")[0].get("LoadBalancerArn").clone();
    stage.elb("DeleteLoadBalancer", doc! { "LoadBalancerArn" => arn });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn an_answer_begun_before_a_deregistration_is_finished() {
    let stage = Stage::with(true);
    let slow = server(|_| {
        let mut parts = vec![b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec()];
        parts.extend((0..10).map(|_| b"x".to_vec()));
        parts
    })
    .await;
    let (port, group, ids) = front(&stage, &[slow]);
    let mut client = connect(port).await;
    let (answer, ()) = tokio::join!(ask(&mut client, "/", ""), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        stage.deregister(&group, &ids);
    });
    assert_eq!(answer, Some((200, "xxxxxxxxxx".to_owned())));
    let request = http::Request::get("/").body(Bytes::new()).unwrap();
    let answer = balancer::answer(&stage.world, &format!("127.0.0.1:{port}"), &request).await.unwrap();
    assert_eq!(answer.status(), 503);
}

#[tokio::test]
async fn real_targets_are_checked() {
    let well = server(|_| text("fine")).await;
    let sick = server(|_| vec![b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()]).await;
    let request = |path: &str| http::Request::get(path).header("host", "x").body(Bytes::new()).unwrap();
    assert_eq!(balancer::status_of(well, request("/healthz")).await.map(|status| status.as_u16()), Some(200));
    assert_eq!(balancer::status_of(sick, request("/healthz")).await.map(|status| status.as_u16()), Some(500));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(balancer::status_of(gone, request("/healthz")).await, None);
}
