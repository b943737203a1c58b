// Builds the browser client and the dashboard into browser_client/dist.
