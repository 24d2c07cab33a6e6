package localml.analysis;

import java.util.Map;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.miscellaneous.ASCIIFoldingFilter;
import org.elasticsearch.index.analysis.AbstractIndexAnalyzerProvider;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.AnalyzerProvider;
import org.elasticsearch.index.analysis.NormalizingTokenFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;

/**
 * What people use of the unpublished module analysis-common in a mapping for English texts, over Lucene's own classes.
 * Nothing of it is configurable.
 */
public final class EnglishAnalysis {
    private EnglishAnalysis() {}

    public static Map<String, AnalysisProvider<AnalyzerProvider<? extends Analyzer>>> analyzers() {
        return Map.of("english", (index, environment, name, settings) -> new English(name));
    }

    public static Map<String, AnalysisProvider<TokenFilterFactory>> tokenFilters() {
        return Map.of("asciifolding", (index, environment, name, settings) -> new AsciiFolding(name));
    }

    private static final class English extends AbstractIndexAnalyzerProvider<EnglishAnalyzer> {
        private final EnglishAnalyzer analyzer = new EnglishAnalyzer();

        English(String name) {
            super(name);
        }

        @Override
        public EnglishAnalyzer get() {
            return analyzer;
        }
    }

    private static final class AsciiFolding extends AbstractTokenFilterFactory implements NormalizingTokenFilterFactory {
        AsciiFolding(String name) {
            super(name);
        }

        @Override
        public TokenStream create(TokenStream tokens) {
            return new ASCIIFoldingFilter(tokens);
        }
    }
}
