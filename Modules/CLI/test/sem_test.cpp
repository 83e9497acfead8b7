// SPDX-License-Identifier: Apache-2.0
#include "sem.h"

#include <gtest/gtest.h>

#include <functional>

#include "oncotome/core/error.h"

namespace oncotome::sem {
namespace {

Module sound() {
  Module m;
  m.name = "Toy";
  m.category = "Test";
  m.title = "Toy module";
  m.description = "Takes a < b & c.";
  m.version = "1.2.3";
  m.license = "Apache-2.0";
  m.contributor = "Somebody";
  m.groups = {
      {"IO",
       "Files.",
       false,
       {Parameter(Kind::image, "scan", "Scan", "The scan.").of_type("scalar").in().at(0),
        Parameter(Kind::image, "mask", "Mask", "A mask.").of_type("label").in(),
        Parameter(Kind::image, "labels", "Labels", "The labels.").of_type("label").out("scan", ".seg.nrrd,.nrrd").at(1),
        Parameter(Kind::table, "rows", "Rows", "The rows.").out("scan", ".csv")}},
      {"More",
       "Numbers.",
       true,
       {Parameter(Kind::integer, "threads", "Threads", "How many.").by_default("0").between(0, 64),
        Parameter(Kind::real, "volume", "Volume", "At least, mm3.").by_default("2.5").between(0, 1e6),
        Parameter(Kind::boolean, "quick", "Quick", "Not so well.").by_default("false"),
        Parameter(Kind::choice, "device", "Device", "Where.").one_of({"auto", "cpu"}),
        Parameter(Kind::integer_list, "values", "Values", "Which.").between(1, 255),
        Parameter(Kind::text_list, "names", "Names", "Of what."),
        Parameter(Kind::text, "model", "Model", "Its name.")}},
      {"Results",
       "What was found.",
       false,
       {Parameter(Kind::integer, "count", "Count", "So many.").out(),
        Parameter(Kind::text, "title", "Title", "Called.").out()}}};
  return m;
}

std::string code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.name();
  }
  return "";
}

Values given(const std::vector<std::string>& arguments) { return parse(sound(), arguments).values; }

TEST(Sem, ASoundModuleHasNoProblem) { EXPECT_EQ(problems(sound()), std::vector<std::string>{}); }

TEST(Sem, WhatAClientStumblesOverIsAProblem) {
  const std::vector<std::pair<std::string, std::function<void(Module&)>>> cases{
      {"no identifier", [](Module& m) { m.name = "Toy.module"; }},
      {"title is empty", [](Module& m) { m.title = ""; }},
      {"description is empty", [](Module& m) { m.description = "Two\nlines"; }},
      {"no C identifier", [](Module& m) { m.groups[0].parameters[1].name = "lesion-mask"; }},
      {"no C identifier", [](Module& m) { m.groups[0].parameters[1].name = "2nd"; }},
      {"not the only one", [](Module& m) { m.groups[1].parameters[0].name = "mask"; }},
      {"standard option", [](Module& m) { m.groups[1].parameters[6].name = "xml"; }},
      {"no label", [](Module& m) { m.groups[1].parameters[0].label = ""; }},
      {"no plain line", [](Module& m) { m.groups[1].parameters[0].description = "a \"quoted\" word"; }},
      {"index is not the only one", [](Module& m) { m.groups[0].parameters[2].index = 0; }},
      {"indexes are not 0, 1, 2", [](Module& m) { m.groups[0].parameters[2].index = 2; }},
      {"spread over several groups",
       [](Module& m) {
         m.groups[2].parameters.push_back(Parameter(Kind::image, "far", "Far", "Away.").of_type("scalar").in().at(2));
       }},
      {"only files have an index", [](Module& m) { m.groups[0].parameters[0].kind = Kind::integer; }},
      {"neither input nor output", [](Module& m) { m.groups[0].parameters[1].channel = Channel::none; }},
      {"type is not known", [](Module& m) { m.groups[0].parameters[1].type = "labels"; }},
      {"no fileExtensions", [](Module& m) { m.groups[0].parameters[3].file_extensions = ""; }},
      {"no fileExtensions", [](Module& m) { m.groups[0].parameters[3].file_extensions = "csv"; }},
      {"refers to no input", [](Module& m) { m.groups[0].parameters[3].reference = "labels"; }},
      {"refers to no input", [](Module& m) { m.groups[0].parameters[3].reference = "nothing"; }},
      {"default is wrong", [](Module& m) { m.groups[1].parameters[3].default_value = "gpu"; }},
      {"two of its elements",
       [](Module& m) {
         m.groups[1].parameters[3].elements = {"auto", "auto"};
       }},
      {"elements do not fit", [](Module& m) { m.groups[1].parameters[0].elements = {"1"}; }},
      {"no default", [](Module& m) { m.groups[1].parameters[3].default_value = ""; }},
      {"default is wrong", [](Module& m) { m.groups[1].parameters[0].default_value = "65"; }},
      {"default is wrong", [](Module& m) { m.groups[1].parameters[1].default_value = "much"; }},
      {"false unless", [](Module& m) { m.groups[1].parameters[2].default_value = "true"; }},
  };
  for (const auto& [told, spoil] : cases) {
    Module m = sound();
    spoil(m);
    std::string all;
    for (const std::string& problem : problems(m)) all += problem + "\n";
    EXPECT_NE(all.find(told), std::string::npos) << "wanted: " << told << "\ntold: " << all;
  }
}

TEST(Sem, XmlSaysWhatTheParserTakes) {
  const std::string text = xml(sound());
  EXPECT_EQ(text.rfind("<?xml ", 0), 0U);
  EXPECT_NE(text.find("<description>Takes a &lt; b &amp; c.</description>"), std::string::npos);
  EXPECT_NE(text.find("    <image type=\"label\" fileExtensions=\".seg.nrrd,.nrrd\" reference=\"scan\">\n"
                      "      <name>labels</name>\n"
                      "      <index>1</index>\n"
                      "      <description>The labels.</description>\n"
                      "      <label>Labels</label>\n"
                      "      <channel>output</channel>\n"
                      "    </image>\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("    <integer>\n"
                      "      <name>threads</name>\n"
                      "      <longflag>threads</longflag>\n"
                      "      <description>How many.</description>\n"
                      "      <label>Threads</label>\n"
                      "      <default>0</default>\n"
                      "      <constraints>\n"
                      "        <minimum>0</minimum>\n"
                      "        <maximum>64</maximum>\n"
                      "        <step>1</step>\n"
                      "      </constraints>\n"
                      "    </integer>\n"),
            std::string::npos)
      << text;
  // A return parameter is one with neither flag nor index.
  EXPECT_NE(text.find("      <name>count</name>\n      <description>"), std::string::npos);
  EXPECT_NE(text.find("<maximum>1000000</maximum>"), std::string::npos);
}

TEST(Sem, HelpNamesEveryParameterInLinesOfReadableWidth) {
  const Module m = sound();
  const std::string text = help(m);
  for (const Group& group : m.groups)
    for (const Parameter& p : group.parameters)
      EXPECT_NE(text.find(p.is_option() ? "--" + p.name : p.name), std::string::npos) << p.name;
  EXPECT_NE(text.find("Usage: Toy [OPTIONS] scan labels\n"), std::string::npos) << text;
  EXPECT_NE(text.find("--device auto|cpu"), std::string::npos) << text;
  std::size_t longest = 0;
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    longest = std::max(longest, end - begin);
  EXPECT_LE(longest, 100U);
}

TEST(Sem, ArgumentsAreReadAsSlicerGivesThem) {
  const Values v = given({"--threads", "4", "--volume", "0.5", "--quick", "--device", "cpu", "--values", "1, 2,3",
                          "--names", "FLAIR, T1 ce", "--mask", "m x.nrrd", "in.nrrd", "out.seg.nrrd"});
  EXPECT_EQ(v.integer("threads"), 4);
  EXPECT_DOUBLE_EQ(v.real("volume"), 0.5);
  EXPECT_TRUE(v.flag("quick"));
  EXPECT_EQ(v.text("device"), "cpu");
  EXPECT_EQ(v.integers("values"), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(v.texts("names"), (std::vector<std::string>{"FLAIR", "T1 ce"}));
  EXPECT_EQ(v.text("mask"), "m x.nrrd");
  EXPECT_EQ(v.text("scan"), "in.nrrd");
  EXPECT_EQ(v.text("labels"), "out.seg.nrrd");
}

TEST(Sem, WhatIsNotGivenIsItsDefault) {
  const Values v = given({"in.nrrd", "out.nrrd"});
  EXPECT_EQ(v.integer("threads"), 0);
  EXPECT_DOUBLE_EQ(v.real("volume"), 2.5);
  EXPECT_FALSE(v.flag("quick"));
  EXPECT_EQ(v.text("device"), "auto");
  EXPECT_TRUE(v.integers("values").empty());
  EXPECT_TRUE(v.texts("names").empty());
  EXPECT_EQ(v.text("mask"), "");
}

TEST(Sem, OtherSpellingsOfTheSame) {
  EXPECT_EQ(given({"--threads=+3", "a", "b"}).integer("threads"), 3);
  EXPECT_EQ(given({"--model=a=b", "a", "b"}).text("model"), "a=b");
  EXPECT_EQ(given({"--model", "-x", "a", "b"}).text("model"), "-x");
  EXPECT_EQ(given({"--model", "", "a", "b"}).text("model"), "");
  EXPECT_EQ(given({"--", "-a", "--help"}).text("labels"), "--help");
  EXPECT_DOUBLE_EQ(given({"--volume", "1.000000", "a", "b"}).real("volume"), 1);
}

TEST(Sem, WrongArgumentsAreRefused) {
  const std::vector<std::vector<std::string>> all{
      {},
      {"a"},
      {"a", "b", "c"},
      {"a", "b", "--nothing"},
      {"a", "b", "-t", "3"},
      {"a", "b", "--threads"},
      {"a", "b", "--threads", "four"},
      {"a", "b", "--threads", "4.5"},
      {"a", "b", "--threads", "65"},
      {"a", "b", "--threads", "-1"},
      {"a", "b", "--threads", "99999999999999"},
      {"a", "b", "--threads", ""},
      {"a", "b", "--threads", "1", "--threads", "1"},
      {"a", "b", "--volume", "nan"},
      {"a", "b", "--volume", "1e9"},
      {"a", "b", "--quick=true"},
      {"a", "b", "--device", "gpu"},
      {"a", "b", "--device", "CPU"},
      {"a", "b", "--values", "1,,2"},
      {"a", "b", "--values", "0"},
      {"a", "b", "--names", "a,"},
      {"a", "b", "--count", "3"},
      {"a", "b", "--scan", "x"},
      {"a", "b", "--echo=1"},
      {"a", "b", "--returnparameterfile"},
  };
  for (const auto& arguments : all) {
    std::string line;
    for (const std::string& argument : arguments) line += argument + " ";
    EXPECT_EQ(code_of([&] { parse(sound(), arguments); }), "usage") << line;
  }
}

TEST(Sem, StandardOptions) {
  using Action = Request::Action;
  EXPECT_EQ(parse(sound(), {"--xml"}).action, Action::xml);
  EXPECT_EQ(parse(sound(), {"--threads", "x", "--xml"}).action, Action::xml);
  EXPECT_EQ(parse(sound(), {"-h"}).action, Action::help);
  EXPECT_EQ(parse(sound(), {"--help"}).action, Action::help);
  EXPECT_EQ(parse(sound(), {"--version"}).action, Action::version);
  const Request r =
      parse(sound(), {"--returnparameterfile", "r.txt", "--processinformationaddress", "0", "--echo", "a", "b"});
  EXPECT_EQ(r.action, Action::run);
  EXPECT_TRUE(r.echo);
  EXPECT_EQ(r.return_parameter_file, "r.txt");
  EXPECT_NE(echo_text(sound(), r.values).find("    scan: a\n"), std::string::npos);
}

TEST(Sem, ReturnParametersAreALineEach) {
  EXPECT_EQ(return_text(sound(), {{"title", "A = b\nc"}, {"count", "3"}}), "count = 3\ntitle = A = b c\n");
  EXPECT_EQ(code_of([] { return_text(sound(), {{"count", "3"}}); }), "internal");
  EXPECT_EQ(code_of([] { return_text(sound(), {{"count", "3"}, {"title", "t"}, {"more", "1"}}); }), "internal");
}

TEST(Sem, AskingForWhatIsNotThereIsAMistakeOfTheProgram) {
  const Values v = given({"a", "b"});
  EXPECT_EQ(code_of([&] { v.text("nothing"); }), "internal");
  EXPECT_EQ(code_of([&] { v.integer("volume"); }), "internal");
}

}  // namespace
}  // namespace oncotome::sem
