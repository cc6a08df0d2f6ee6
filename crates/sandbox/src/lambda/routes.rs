//! The operations, and where their members lie.

use super::super::wire::rest::{Model, Route};

/// The operation that takes and gives bytes instead of documents.
pub const INVOKE: &str = "Invoke";

const PAGES: &[&str] = &["Marker", "MaxItems"];
const QUALIFIER: &[&str] = &["Qualifier"];

/// The service's model.
pub const MODEL: Model = Model {
    routes: &[
        Route::new("CreateFunction", "POST", "/2015-03-31/functions", 201),
        Route::new("ListFunctions", "GET", "/2015-03-31/functions", 200).query(&[
            "FunctionVersion",
            "Marker",
            "MaxItems",
        ]),
        Route::new("GetFunction", "GET", "/2015-03-31/functions/{FunctionName}", 200).query(QUALIFIER),
        Route::new("DeleteFunction", "DELETE", "/2015-03-31/functions/{FunctionName}", 204).query(QUALIFIER),
        Route::new("GetFunctionConfiguration", "GET", "/2015-03-31/functions/{FunctionName}/configuration", 200)
            .query(QUALIFIER),
        Route::new("UpdateFunctionConfiguration", "PUT", "/2015-03-31/functions/{FunctionName}/configuration", 200),
        Route::new("UpdateFunctionCode", "PUT", "/2015-03-31/functions/{FunctionName}/code", 200),
        Route::new("PublishVersion", "POST", "/2015-03-31/functions/{FunctionName}/versions", 201),
        Route::new("ListVersionsByFunction", "GET", "/2015-03-31/functions/{FunctionName}/versions", 200).query(PAGES),
        Route::new("CreateAlias", "POST", "/2015-03-31/functions/{FunctionName}/aliases", 201),
        Route::new("ListAliases", "GET", "/2015-03-31/functions/{FunctionName}/aliases", 200).query(&[
            "FunctionVersion",
            "Marker",
            "MaxItems",
        ]),
        Route::new("GetAlias", "GET", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", 200),
        Route::new("UpdateAlias", "PUT", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", 200),
        Route::new("DeleteAlias", "DELETE", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", 204),
        Route::new(INVOKE, "POST", "/2015-03-31/functions/{FunctionName}/invocations", 200)
            .query(QUALIFIER)
            .headers(&[
                ("x-amz-invocation-type", "InvocationType"),
                ("x-amz-log-type", "LogType"),
                ("x-amz-client-context", "ClientContext"),
            ])
            .raw(),
        Route::new("AddPermission", "POST", "/2015-03-31/functions/{FunctionName}/policy", 201).query(QUALIFIER),
        Route::new("GetPolicy", "GET", "/2015-03-31/functions/{FunctionName}/policy", 200).query(QUALIFIER),
        Route::new("RemovePermission", "DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", 204)
            .query(&["Qualifier", "RevisionId"]),
        Route::new("TagResource", "POST", "/2017-03-31/tags/{Resource}", 204),
        Route::new("UntagResource", "DELETE", "/2017-03-31/tags/{Resource}", 204).lists(&[("tagKeys", "TagKeys")]),
        Route::new("ListTags", "GET", "/2017-03-31/tags/{Resource}", 200),
        Route::new("PutFunctionConcurrency", "PUT", "/2017-10-31/functions/{FunctionName}/concurrency", 200),
        Route::new("DeleteFunctionConcurrency", "DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", 204),
        Route::new("GetFunctionConcurrency", "GET", "/2019-09-30/functions/{FunctionName}/concurrency", 200),
        Route::new("PutProvisionedConcurrencyConfig", "PUT", PROVISIONED, 202).query(QUALIFIER),
        Route::new("ListProvisionedConcurrencyConfigs", "GET", PROVISIONED, 200).query(PAGES).only("List"),
        Route::new("GetProvisionedConcurrencyConfig", "GET", PROVISIONED, 200).query(QUALIFIER),
        Route::new("DeleteProvisionedConcurrencyConfig", "DELETE", PROVISIONED, 204).query(QUALIFIER),
        Route::new("GetAccountSettings", "GET", "/2016-08-19/account-settings", 200),
        Route::new("CreateEventSourceMapping", "POST", "/2015-03-31/event-source-mappings", 202),
        Route::new("ListEventSourceMappings", "GET", "/2015-03-31/event-source-mappings", 200).query(&[
            "EventSourceArn",
            "FunctionName",
            "Marker",
            "MaxItems",
        ]),
        Route::new("GetEventSourceMapping", "GET", "/2015-03-31/event-source-mappings/{UUID}", 200),
        Route::new("DeleteEventSourceMapping", "DELETE", "/2015-03-31/event-source-mappings/{UUID}", 202),
        Route::new("CreateFunctionUrlConfig", "POST", "/2021-10-31/functions/{FunctionName}/url", 201).query(QUALIFIER),
        Route::new("GetFunctionUrlConfig", "GET", "/2021-10-31/functions/{FunctionName}/url", 200).query(QUALIFIER),
        Route::new("DeleteFunctionUrlConfig", "DELETE", "/2021-10-31/functions/{FunctionName}/url", 204)
            .query(QUALIFIER),
        Route::new("ListFunctionUrlConfigs", "GET", "/2021-10-31/functions/{FunctionName}/urls", 200).query(PAGES),
    ],
    capital: &["ResourceNotFoundException", "ServiceException", "AccessDeniedException"],
};

const PROVISIONED: &str = "/2019-09-30/functions/{FunctionName}/provisioned-concurrency";
