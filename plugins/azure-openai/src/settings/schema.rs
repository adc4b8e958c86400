//! The settings' JSON Schema.
//!
//! In: nothing. Out: the schema, for the host to check settings with and for admins to read. Never:
//! a rule that only the code can check.

/// The schema.
pub(crate) const SCHEMA: &str = r##"{
  "type": "object",
  "properties": {
    "endpoint": {
      "type": "string",
      "format": "uri",
      "description": "Address of the first (or only) resource, e.g. https://my-resource.openai.azure.com"
    },
    "region": {
      "type": "string",
      "description": "Where the resource is, e.g. swedencentral; shown in the list of models"
    },
    "api": {
      "type": "string",
      "$ref": "#/$defs/api",
      "default": "deployments",
      "description": "Form of the API. deployments: /openai/deployments/NAME with an api-version; v1: /openai/v1; inference: /models of an AI Foundry resource"
    },
    "api_version": {
      "type": "string",
      "description": "Version of the API. deployments: a date, 2024-10-21 when absent. inference: a date, 2024-05-01-preview when absent. v1: none, or preview"
    },
    "sign_in": {
      "type": "string",
      "$ref": "#/$defs/sign_in",
      "description": "Which slot's credential is used, api-key or entra. When absent: entra where it is granted, else api-key"
    },
    "token_limit": {
      "type": "string",
      "$ref": "#/$defs/token_limit",
      "description": "Name of the parameter that limits an answer, max_completion_tokens or max_tokens. When absent: by the version of the API"
    },
    "deployments": {
      "$ref": "#/$defs/deployments",
      "description": "Deployments of the resource: their names, or a table with what differs for each"
    },
    "resources": {
      "type": "object",
      "description": "Further resources by a name of your own; a model of one is asked for as deployment@name. What is absent is as it stands at the top",
      "additionalProperties": {
        "type": "object",
        "required": ["endpoint"],
        "properties": {
          "endpoint": { "type": "string", "format": "uri", "description": "Address of the resource" },
          "region": { "type": "string" },
          "api": { "$ref": "#/$defs/api" },
          "api_version": { "type": "string" },
          "sign_in": { "$ref": "#/$defs/sign_in" },
          "token_limit": { "$ref": "#/$defs/token_limit" },
          "deployments": { "$ref": "#/$defs/deployments" }
        },
        "additionalProperties": false
      }
    },
    "models": {
      "type": "object",
      "description": "Names that callers may use, each for a deployment or a deployment@resource",
      "additionalProperties": { "type": "string" }
    },
    "discover": {
      "type": "string",
      "enum": ["deployments", "models", "off"],
      "default": "deployments",
      "description": "What the list of models holds beside the deployments named here: the resource's deployments where the identity may read them; the models that the resource may use (/openai/v1/models); nothing"
    }
  },
  "additionalProperties": false,
  "$defs": {
    "api": { "enum": ["deployments", "v1", "inference"] },
    "sign_in": { "enum": ["api-key", "entra"] },
    "token_limit": { "enum": ["max_completion_tokens", "max_tokens"] },
    "deployments": {
      "anyOf": [
        { "type": "array", "items": { "type": "string" } },
        {
          "type": "object",
          "additionalProperties": {
            "type": "object",
            "properties": {
              "api": { "$ref": "#/$defs/api" },
              "api_version": { "type": "string" },
              "token_limit": { "$ref": "#/$defs/token_limit" },
              "model": { "type": "string", "description": "The model that is deployed, for the list of models" }
            },
            "additionalProperties": false
          }
        }
      ]
    }
  }
}"##;
