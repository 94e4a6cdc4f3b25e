// validatorUrl: the badge of another host would tell it our address.
SwaggerUIBundle({
  url: document.getElementById("swagger-ui").dataset.contract,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
