// Drives evhookd with the Go client of openapi-generator.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"time"

	"example.com/app/evhookd"
)

func check(err error) {
	if err != nil {
		log.Fatalf("%v: %#v", err, err)
	}
}

func must(holds bool, what string) {
	if !holds {
		log.Fatal("not so: ", what)
	}
}

func main() {
	log.SetFlags(log.Lshortfile)
	config := evhookd.NewConfiguration()
	config.Servers = evhookd.ServerConfigurations{{URL: os.Getenv("URL")}}
	client := evhookd.NewAPIClient(config)
	ctx := context.WithValue(context.Background(), evhookd.ContextAccessToken, os.Getenv("TOKEN"))
	tenant := os.Getenv("TENANT")

	body := evhookd.NewCreateWebhookRequest("go", true,
		*evhookd.NewCreateEndpointRequest(os.Getenv("ENDPOINT")), []string{"order.*"})
	handling := evhookd.NewFailureHandlingCreateRequest()
	handling.SetDivert(true)
	body.SetFailureHandling(*handling)
	made, _, err := client.WebhooksAPI.CreateWebhook(ctx, tenant).CreateWebhookRequest(*body).Execute()
	check(err)
	hook := made.Locator
	must(made.SuspendedAt.Get() == nil, "a new webhook is not suspended")
	listed, _, err := client.WebhooksAPI.FetchWebhooks(ctx, tenant).Name("go").Extended(true).Execute()
	check(err)
	must(len(listed.Items) == 1 && listed.Items[0].Locator == hook, "the list has it")
	change := evhookd.NewUpdateWebhookRequest()
	change.SetAddEventTypes([]string{"x"})
	changed, _, err := client.WebhooksAPI.UpdateWebhook(ctx, tenant, hook).UpdateWebhookRequest(*change).Execute()
	check(err)
	must(changed.Version == 2 && len(changed.EventTypes) == 2, "it is updated")

	at := time.Date(2026, 11, 23, 7, 21, 0, 0, time.FixedZone("", 3600))
	one := evhookd.NewEventRequest("order.paid", map[string]interface{}{"order": 1042})
	one.SetTimestamp(at)
	answer, _, err := client.EventsAPI.PublishEvents(ctx, tenant).
		PublishRequest(evhookd.EventRequestAsPublishRequest(one)).Execute()
	check(err)
	must(answer.PublishedEvent != nil, "one for one")
	stored := answer.PublishedEvent
	must(stored.Timestamp.Equal(at) && stored.Data["order"] == 1042.0, "it is stored as it was sent")
	many := []evhookd.EventOfManyRequest{
		*evhookd.NewEventOfManyRequest("order.paid", map[string]interface{}{"order": 1}),
		*evhookd.NewEventOfManyRequest("order.paid", map[string]interface{}{"order": 2}),
	}
	answer, _, err = client.EventsAPI.PublishEvents(ctx, tenant).
		PublishRequest(evhookd.ArrayOfEventOfManyRequestAsPublishRequest(&many)).Execute()
	check(err)
	must(len(*answer.ArrayOfPublishedEventOfMany) == 2, "two for two")
	page, _, err := client.EventsAPI.FetchMultipleEvents(ctx, tenant).
		StartTimestamp(time.Now().Add(-5 * time.Minute)).Order("desc").PageSize(1).Execute()
	check(err)
	must(page.Events[0].Data["order"] == 2.0 && page.More, "the newest comes first")

	until := time.Now().Add(30 * time.Second)
	for n := 0; n < 3; {
		list, _, err := client.DivertedEventsAPI.FetchMultipleDivertedEvents(ctx, tenant, hook).Execute()
		check(err)
		n = len(list)
		must(time.Now().Before(until), "they are diverted")
	}
	kept, _, err := client.DivertedEventsAPI.FetchDivertedEvent(ctx, tenant, hook, stored.Locator).Execute()
	check(err)
	must(kept.Event.Data["order"] == 1042.0, "it is kept with its event")
	_, _, err = client.DivertedEventsAPI.ResendDivertedEvent(ctx, tenant, hook, stored.Locator).Execute()
	check(err)
	all, _, err := client.DivertedEventsAPI.ResendDivertedEvents(ctx, tenant, hook).Execute()
	check(err)
	must(all.Completed, "all are sent again")
	_, err = client.WebhooksAPI.DeleteWebhook(ctx, tenant, hook).Execute()
	check(err)
	_, _, err = client.WebhooksAPI.FetchWebhook(ctx, tenant, hook).Execute()
	var refused *evhookd.GenericOpenAPIError
	must(errors.As(err, &refused), "it is gone")
	problem, is := refused.Model().(evhookd.Problem)
	must(is && problem.Status == 404, "a problem says so")
}
