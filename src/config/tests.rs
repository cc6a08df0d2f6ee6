use super::*;

const GOOD: &str = r#"version: 1
pipeline: storefront
store: { bucket: acme-shipit }
artifacts:
  web: { path: examples/storefront }
environments:
  production: { account: "111122223333", region: ap-northeast-2, role: arn:aws:iam::111122223333:role/shipit }
targets:
  web:
    fleet: { application: storefront, deployment_group: storefront-web }
    group_is_replaced: true
    artifact: web
    strategy: { blue_green: { promote: automatic, keep_blue: 0m } }
    health:
      targets: {}
      alarms: [storefront-5xx]
      http: [{ path: /healthz, within: 2s, every: 10s, failures: 3 }]
      bake: 5m
"#;

#[test]
fn the_issues_pipeline_is_read() {
    let pipeline = parse(GOOD, "a.yml").unwrap();
    assert_eq!(pipeline.targets.len(), 1);
}
