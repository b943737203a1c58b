/** Reads `GET /v1/config`: where the service's parts are. Not here: who the client is. */
import { fetchObject, textIn } from "./http.ts";

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
  const region = textIn(config, "region");
  return {
    stage: textIn(config, "stage"),
    region,
    iotUrl: textIn(config, "iot_url"),
    identityPoolId: textIn(config, "identity_pool_id"),
    cognitoUrl:
      config["cognito_url"] === null
        ? `https://cognito-identity.${region}.amazonaws.com/`
        : textIn(config, "cognito_url"),
    guests: config["guests"] === true,
  };
}
