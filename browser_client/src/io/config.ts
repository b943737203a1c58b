/** Reads `GET /v1/config`: where the service's parts are. Not here: who the client is. */
import { fetchObject, memberIn } from "./http.ts";

export interface Config {
  readonly stage: string;
  readonly region: string;
  readonly iotUrl: string;
  readonly identityPoolId: string;
  readonly cognitoUrl: string;
  readonly guests: boolean;
}

/**
 * Fetch the config.
 *
 * @param url the API's prefix, such as `/v1`.
 * @throws BellwireError `not_found` when there is no Bellwire at `url`.
 */
export async function fetchConfig(url: string): Promise<Config> {
  const [config] = await fetchObject(`${url}/config`);
  const region = memberIn(config, "region");
  return {
    stage: memberIn(config, "stage"),
    region,
    iotUrl: memberIn(config, "iot_url"),
    identityPoolId: memberIn(config, "identity_pool_id"),
    cognitoUrl: String(
      config["cognito_url"] ?? `https://cognito-identity.${region}.amazonaws.com/`,
    ),
    guests: config["guests"] === true,
  };
}
