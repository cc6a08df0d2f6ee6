//! Where a rollback goes, by journals and by what AWS shows.

use sandbox::doc::doc;

use super::functions::{pipeline, stage};
use super::stage::{Said, Stage};

/// Versions 2 and 3 and so on are releases r2 and r3, each live for a while.
async fn shipped(releases: &[&str]) -> Stage {
    let text = pipeline().replace("canary: { steps: [5%, 25%], every: 3m }", "all_at_once: {}");
    let text = text.replace("    before_traffic:\n      - invoke: { payload: event.json, times: 2 }\n", "");
    let stage = stage(&text.replace("keep_versions: 3\n", "keep_versions: 9\n"), 20).await;
    for release in releases {
        stage.function_release(release, "");
        let said = stage.shipit(&format!("deploy shop.yml --release {release}")).await;
        assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    }
    stage
}

impl Stage {
    fn store(&self) -> shipit::store::Bucket {
        let config = self.around(std::sync::Arc::new(shipit::rehearsal::inproc::Open)).0.config;
        let region = aws_sdk_s3::config::Region::from_static("ap-northeast-2");
        let config = aws_sdk_s3::config::Builder::from(&config).region(region).force_path_style(true).build();
        shipit::store::Bucket::new(aws_sdk_s3::Client::from_conf(config), "acme-shipit")
    }

    /// What lies in the bucket.
    pub async fn object(&self, key: &str) -> String {
        let object = self.store().get(key).await.unwrap().unwrap();
        String::from_utf8(object.bytes.to_vec()).unwrap()
    }

    /// Puts something into its place.
    pub async fn put_object(&self, key: &str, text: &str) {
        let etag = self.store().get(key).await.unwrap().unwrap().etag;
        self.store().put_if_match(key, text.to_owned().into(), &etag).await.unwrap();
    }
}

fn refused(said: &Said, code: u8, parts: &[&str]) {
    assert_eq!(said.code, code, "{}\n{}", said.err, said.out);
    for part in parts {
        assert!(said.err.contains(part), "{part}\n{}", said.err);
    }
}

/// What the plan shows is what is done; and twice never brings back what was just taken out.
#[tokio::test(start_paused = true)]
async fn rolling_back_goes_on_to_the_good_one_before() {
    let stage = shipped(&["r2", "r3", "r4"]).await;
    for (release, version) in [("r3", "3"), ("r2", "2")] {
        let plan = stage.shipit("plan shop.yml --rollback --detailed-exitcode").await;
        let title = format!("plan: shop in production goes back to release {release}");
        assert!(plan.code == 3 && plan.out.contains(&title), "{}{}", plan.err, plan.out);
        let next = format!("shipit rollback --to {release} shop.yml -e production");
        assert!(plan.out.contains(&next), "{}", plan.out);
        let json = stage.shipit("plan shop.yml --rollback --output json").await.out;
        let said = stage.shipit("rollback shop.yml --output json").await;
        assert_eq!(said.code, 0, "{}", said.err);
        let run: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let key = format!("shop/production/runs/{}/plan.json", run["run"].as_str().unwrap());
        assert_eq!(stage.object(&key).await, json, "what was shown is what was run");
        assert_eq!(stage.alias(), version);
    }
    // What was taken out comes back by its name.
    let said = stage.shipit("rollback shop.yml --to r4").await;
    assert_eq!((said.code, stage.alias().as_str()), (0, "4"), "{}", said.err);
    let said = stage.shipit("rollback shop.yml").await;
    let lines =
        ["release r2 was live before, but was taken back by run ", "shipit rollback --to r2 shop.yml -e production"];
    refused(&said, 10, &lines);
    // What is live is nothing to do, in every form.
    for line in ["rollback shop.yml --to r4", "plan shop.yml --rollback --to r4 --detailed-exitcode"] {
        let said = stage.shipit(line).await;
        assert!(said.code == 0 && said.out.contains("nothing to do: release r4"), "{}{}", said.err, said.out);
    }
    assert_eq!(stage.alias(), "4");
}

/// A driver that was killed before the head knew of its run.
#[tokio::test(start_paused = true)]
async fn the_head_is_not_asked_where_to_go() {
    let stage = shipped(&["r2", "r3"]).await;
    let before = stage.object("shop/production/head.json").await;
    stage.function_release("r4", "");
    assert_eq!(stage.shipit("deploy shop.yml --release r4").await.code, 0);
    stage.put_object("shop/production/head.json", &before).await;
    let said = stage.shipit("rollback shop.yml").await;
    assert_eq!((said.code, stage.alias().as_str()), (0, "3"), "{}", said.err);
}

/// Somebody else moved the alias: which release was before that is not known, and nothing is guessed.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_made_live_is_not_gone_back_from() {
    let stage = shipped(&["r2", "r3"]).await;
    let input = doc! { "FunctionName" => "thumbnailer", "Name" => "live", "FunctionVersion" => "1" };
    stage.call("lambda", "UpdateAlias", &input);
    let said = stage.shipit("rollback shop.yml").await;
    let next = "shipit rollback --to r2 shop.yml -e production";
    refused(&said, 10, &["what is live on thumbs was not made live by the last run of this pipeline", next]);
    assert_eq!(stage.alias(), "1");
    let said = stage.shipit(next.trim_start_matches("shipit ")).await;
    assert_eq!((said.code, stage.alias().as_str()), (0, "2"), "{}", said.err);
}
