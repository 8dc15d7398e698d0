// Starts Swagger UI. A file of its own, because the page's policy forbids inline scripts.
"use strict";

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false, // keys and tokens live as long as the page, never in local storage
  validatorUrl: null, // the default sends the document to a validator on another host
});
