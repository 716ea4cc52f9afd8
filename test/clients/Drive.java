/* Drives evhookd with the Java client of openapi-generator. */
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.DivertedEventsApi;
import org.openapitools.client.api.EventsApi;
import org.openapitools.client.api.WebhooksApi;
import org.openapitools.client.model.CreateEndpointRequest;
import org.openapitools.client.model.CreateWebhookRequest;
import org.openapitools.client.model.EventOfManyRequest;
import org.openapitools.client.model.EventRequest;
import org.openapitools.client.model.FailureHandlingCreateRequest;
import org.openapitools.client.model.PublishRequest;
import org.openapitools.client.model.UpdateWebhookRequest;

class Drive {
	static void must(boolean holds, String what) {
		if (!holds)
			throw new AssertionError(what);
	}

	public static void main(String[] args) throws Exception {
		String tenant = System.getenv("TENANT");
		ApiClient client = new ApiClient().setBasePath(System.getenv("URL"));
		client.setBearerToken(System.getenv("TOKEN"));
		WebhooksApi webhooks = new WebhooksApi(client);
		EventsApi events = new EventsApi(client);
		DivertedEventsApi diverted = new DivertedEventsApi(client);

		String hook = webhooks.createWebhook(tenant,
			new CreateWebhookRequest().name("java").enabled(true)
				.endpoint(new CreateEndpointRequest().url(System.getenv("ENDPOINT")))
				.eventTypes(List.of("order.*"))
				.failureHandling(new FailureHandlingCreateRequest().divert(true)),
			null).getLocator();
		must(webhooks.fetchWebhooks(tenant, null, null, "java", null, null, null, null, null, null)
			.getItems().get(0).getLocator().equals(hook), "the list has it");
		must(webhooks.updateWebhook(tenant, hook,
			new UpdateWebhookRequest().addEventTypes(List.of("x")), null, null)
			.getVersion() == 2, "it is updated");
		String stored = events.publishEvents(tenant,
			new PublishRequest(new EventRequest().type("order.paid").data(Map.of("order", 1042))),
			null, null, null, null, null, null).getPublishedEvent().getLocator();
		EventOfManyRequest one = new EventOfManyRequest().type("order.paid").data(Map.of());
		must(events.publishEvents(tenant, new PublishRequest(List.of(one, one)),
			null, null, null, null, null, null)
			.getListPublishedEventOfMany().size() == 2, "two for two");
		long until = System.nanoTime() + 30_000_000_000L;
		while (diverted.fetchMultipleDivertedEvents(tenant, hook, null, null, null).size() < 3)
			must(System.nanoTime() < until, "they are diverted");
		diverted.resendDivertedEvent(tenant, hook, stored, null);
		webhooks.deleteWebhook(tenant, hook, null, null);
		try {
			webhooks.fetchWebhook(tenant, hook, null);
			must(false, "it is gone");
		} catch (ApiException e) {
			must(e.getCode() == 404 && e.getResponseBody().contains("\"Not Found\""), "a problem says so");
		}
		System.exit(0); // the threads of its HTTP client linger
	}
}
